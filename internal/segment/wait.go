package segment

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// SafetyNet bounds every sleep: where no death is pushed, and where a wake was given to somebody
// who died before he used it, everyone looks again after this long.
const SafetyNet = 95 * time.Millisecond

// net is SafetyNet, but in a process that shows that nobody needs it.
var net = SafetyNet

// WithoutNet has sleeps of this process end by a wake-up, a death that is pushed, or not at all. It is
// for the crash lab, where a wake-up that is missing must not pass for one that was late. It is called
// before there are segments.
func WithoutNet() { net = time.Hour }

// Each look costs a process some 130 µs of CPU, nearly all of it the scheduler's. So who has slept
// through many of them, and hears of deaths anyway, looks less often: of that of the one other side that
// it waits for, or of the deaths of all who meet here.
const (
	wideNet  = time.Second
	manyNets = 10
)

// manyMourned is how often a wait looks at once again behind a death. Each look takes up what a dead one has left; where
// that many did not, somebody has overwritten what says who is dead, and to sleep costs less.
const manyMourned = 8

// What a waiter does before a long sleep if signallers publish with plain stores. These are variables
// for the one test that takes them out; they are read by who is about to sleep, and by nobody else.
var (
	// firstSleep is how long the waiter sleeps before it pays for the fence; 0: it pays at once.
	firstSleep = time.Millisecond
	// lingers is how many pauses a store takes to arrive: some hundred nanoseconds.
	lingers = 16
	barrier = futex.Barrier
)

// Manner says who is woken.
type Manner int

const (
	// Exclusive: one waiter is woken at a time, because one alone can go on.
	Exclusive Manner = iota
	// Shared: all are woken, and look.
	Shared
)

// Point is where the goroutines of this process wait for one Event of the segment. At most one of
// them sleeps in the kernel, with a thread; the others queue up behind it in Go.
type Point struct {
	seg    *Segment
	off    uint64
	tenure uint64 // see heap.tenure
	event  *futex.Event
	manner Manner
	spin   futex.Spinner

	joined   atomic.Uint64 // the event's Joined when all whom it names were last looked up
	doubtful atomic.Bool   // some of them could not be watched, and may be dead
	heard    atomic.Bool   // the deaths of all of them are pushed
	throng   throng        // of waits that say what has Passed

	mu          sync.Mutex
	first, last *waiter      // those who queue up behind the leader
	followers   atomic.Int32 // how many they are, or are about to be
	front       seat         // the leader's, who sleeps in the kernel for all of them
	folded      atomic.Int32 // 1 if the leader sleeps by the hub instead, counted before it announces that
	bustle      bustle       // of waits that are OneOfMany
	own         waiter       // of whoever finds nobody there, so that he allocates nothing
}

// Point returns the wait point of the Event at off, the same for every handle of this attach.
func (s *Segment) Point(off uint64, manner Manner) *Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.points[off]
	if in := s.heap.tenure(off); p == nil || p.tenure != in {
		p = &Point{seg: s, off: off, tenure: in, event: s.m.event(off), manner: manner}
		p.own.begin(p)
		s.points[off] = p
		p.join()
	}
	return p
}

// Local is what this attach keeps in Go's heap about the object at off, the same for every handle: what
// make returned for the first that asked.
func (s *Segment) Local(off uint64, make func() any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.locals[off]
	if in := s.heap.tenure(off); l.kept == nil || l.tenure != in {
		l = local{in, make()}
		s.locals[off] = l
	}
	return l.kept
}

// local is what an attach keeps about an object.
type local struct {
	tenure uint64
	kept   any
}

// join makes this participant known to the others who meet here. It comes before anything that it does
// to what they wait for.
func (p *Point) join() {
	if self := p.seg.Self(); self != 0 {
		if p.event.Join(self.slot()) {
			p.Ring()
		}
	}
}

// Signal wakes one of those who wait for p's event, in whatever process, if there may be any. What they
// wait for must be true before.
func (p *Point) Signal() {
	if p.event.Signal() {
		p.Ring()
	}
}

// Broadcast wakes all of them.
func (p *Point) Broadcast() {
	if p.event.Broadcast() {
		p.Ring()
	}
}

// Rouse makes all of them look again, whether marked or not: after a death, or a close.
func (p *Point) Rouse() {
	if p.event.Rouse() {
		p.Ring()
	}
}

// passOn gives a wake that was used for nothing to another one.
func (p *Point) passOn() {
	if p.event.PassOn() {
		p.Ring()
	}
}

// Ring has the hubs look of all who meet here: a signal of the event's own says when it must be.
func (p *Point) Ring() {
	skip := noSlot
	if p.folded.Load() == 0 {
		skip = p.seg.mine
	}
	p.seg.m.ring(p.seg.slots, p.event.Joined(), p.off, skip)
}

// Event is the event that p waits for.
func (p *Point) Event() *futex.Event { return p.event }

// Queued is how many goroutines of this process wait at p. It is out of date as soon as it returns.
func (p *Point) Queued() int {
	n := int(p.followers.Load())
	if p.front.taken.Load() {
		n++
	}
	return n
}

// SetPolicy sets how waits at p begin.
func (p *Point) SetPolicy(policy futex.Policy) { p.spin.SetPolicy(policy) }

// Wait is one wait: what to try, and whose death matters.
type Wait struct {
	// Try goes on if it can: takes the lock, sees the item. It does not block and is called often.
	Try func() bool
	// Poll, if set, takes the place of Try while polling: it may miss the chance to go on.
	Poll func() bool
	// Rest is how many pauses there are between two polls, 0 for 1.
	Rest int
	// Peer is whose death the waiter must hear of, 0 for nobody. It is asked before each sleep, and at
	// the net.
	Peer func() Owner
	// Recover is called when Peer is proven dead, and reports whether the wait is over.
	Recover func(dead Owner) bool
	// Slept, if set, is called after each sleep.
	Slept func()
	// Impatient is set if the first sleep must end after a millisecond.
	Impatient bool
	// Apart is set if what is waited for may be there, and stay, while those of this process who came before wait
	// for something else: then it does not do to wait for one's turn without a look.
	Apart bool
	// Asymmetric is set if signallers publish with plain stores: the waiter pays for the fence.
	Asymmetric bool
	// Passed, if set, says how many items have passed here, more or less: many processes may meet, of which none has the next
	// turn. See throng.
	Passed func() uint64
	// OneOfMany is set if a process may have many such waits at a time, at points of their own: see bustle.
	OneOfMany bool
}

// Wait returns when w is over, with ErrClosed after Close, and with the context's error when that
// ended first. It looks at the context before anything else: who need not wait does not call it.
func (p *Point) Wait(ctx context.Context, w Wait) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.seg.IsClosed() {
		return ErrClosed
	}
	if !w.OneOfMany && p.spin.Parks() { // none of what comes next is for this one
		return p.lead(ctx, &w, false)
	}
	poll := w.Poll
	if poll == nil || !futex.ManyCPUs() { // then there are few looks
		poll = w.Try
	}
	if w.OneOfMany && p.bustle.came(&p.seg.stir) {
		p.seg.stir.Add(wholeWait)
		runtime.Gosched()
		if w.Try() {
			return nil
		}
		return p.lead(ctx, &w, true)
	}
	// Whoever finds others asleep has no hope that polling would be short, and would overtake them.
	crowded, how := p.Queued() > 0, p.polling(ctx, &w)
	paid := !crowded && p.spin.Spin(poll, how)
	if w.OneOfMany {
		p.seg.stir.Add(weight(paid))
	}
	switch {
	case paid:
		return nil
	case crowded || !w.OneOfMany:
		return p.lead(ctx, &w, false)
	}
	began := time.Now()
	err := p.lead(ctx, &w, false)
	if err == nil {
		p.spin.Slept(time.Since(began), how)
	}
	return err
}

// polling is how to poll.
func (p *Point) polling(ctx context.Context, w *Wait) futex.Polling {
	how := futex.Polling{Rest: w.Rest, Share: w.OneOfMany}
	if w.OneOfMany {
		how.Ended = func() bool { return ctx.Err() != nil }
	}
	if w.Passed != nil {
		how.Crowd = func() bool { return p.throng.in(p, w.Passed()) }
	}
	return how
}

// sit has the caller lead, folded if it is better so: then it waits as lead says. Without a waiter the wait is over.
func (p *Point) sit(ctx context.Context, w *Wait, folded bool) (*waiter, error) {
	me := p.line()
	if me.turn != nil {
		// Whoever is before this one has looked before this look: what he found over is over.
		if w.Apart && w.Try() {
			p.leave(me)
			return nil, nil
		}
		var err error
		select {
		case <-me.turn:
		case <-ctx.Done():
			err = ctx.Err()
		case <-p.seg.closed:
			err = ErrClosed
		}
		if err != nil {
			p.leave(me)
			return nil, err
		}
	}
	p.seg.seat(me, folded)
	if w.OneOfMany {
		me.glance = w.glanceOf(ctx)
	}
	return me, nil
}

// stand lets the next one lead.
func (p *Point) stand(me *waiter) {
	me.over()
	me.glance = nil
	p.seg.rise(me)
	if me.unheed != nil {
		// A poke that is still under way costs the sleeper's next user one look, so it need not be
		// waited for.
		me.unheed()
		me.unheed = nil
	}
	p.leave(me)
}

// lead is the wait of the goroutine that sleeps in the kernel for all of its process.
func (p *Point) lead(ctx context.Context, w *Wait, folded bool) error {
	me, err := p.sit(ctx, w, folded)
	if me == nil {
		return err
	}
	defer p.stand(me)
	fence := fence{event: p.event, needed: w.Asymmetric && !(w.OneOfMany && me.folded && p.bustle.fenced(p.event)), prompt: firstSleep == 0}
	fence.begin(me)
	slept, rested, late, mourned, nets, doubt := false, false, false, 0, 0, time.Duration(0)
	mark := word.Mark()
	for while := me.turn != nil; ; while = true {
		if word.Modelled {
			bits := word.Bit(slept) | word.Bit(rested)<<1 | word.Bit(late)<<2 | word.Bit(while)<<3 | uint64(mourned)<<8
			word.Carry(mark, bits, uint64(min(nets, manyNets)), uint64(doubt), fence.carried())
		}
		me.sleeper.Clear()
		if slept && p.manner == Shared && !p.seg.IsClosed() && w.Try() {
			return nil // without a mark, for which the next signal would make a system call
		}
		if err := p.over(ctx, while); err != nil {
			if slept && p.manner == Exclusive && !me.folded {
				p.passOn()
			}
			return err
		}
		seq := me.announce()
		fence.announced(seq)
		if w.Try() || fence.needed && fence.settle() && w.Try() {
			if slept && p.manner == Exclusive {
				p.event.Pass()
			}
			return nil
		}
		over, again, news := p.mourn(w, late)
		if over {
			return nil
		}
		if again && mourned < manyMourned {
			mourned++
			continue
		}
		if again {
			news = doubtful
		}
		if p.haveJoined(rested) && p.watchOthers() {
			rested = false
			continue
		}
		limit := net
		switch {
		case fence.needed && !fence.quiet:
			limit = firstSleep
		case !slept && (w.Impatient || briefly(me)):
			limit = Starving
		case nets >= manyNets && (news == pushed && p.manner == Shared || p.heard.Load()):
			limit = wideNet
		}
		if news == doubtful || p.doubtful.Load() {
			doubt = min(max(2*doubt, Starving), net)
			limit = min(limit, doubt)
		}
		// One who sleeps briefly finds a context that has ended soon enough.
		if me.unheed == nil && (w.OneOfMany || limit > attendantTick) {
			me.unheed = p.heed(ctx, w, me)
		}
		var out futex.Outcome
		if me.folded {
			out = p.seg.fold(me, *w, seq, limit)
		} else {
			out = me.woke(me.sleeper.Sleep(p.event.Word(), seq, p.seg.timer(me, limit)))
		}
		switch {
		case out == served:
			if p.manner == Exclusive {
				p.event.Pass()
			}
			return nil
		case out != futex.TimedOut:
			nets = 0 // something happens here
		case limit >= net:
			nets++
			if p.seg.makeRoom(me, nets >= manyNets, p.manner) {
				fence.prompt = !fence.demanded
			}
		}
		fence.slept(out)
		slept, rested, late, mourned = true, true, out == futex.TimedOut, 0
		if w.Slept != nil {
			w.Slept()
		}
	}
}

// heed has the end of the context end the sleep, and returns what ends that. Contexts that do so for less than
// those of package context come with waits that are OneOfMany.
func (p *Point) heed(ctx context.Context, w *Wait, me *waiter) (unheed func() bool) {
	if w.OneOfMany {
		if c, ok := ctx.(interface {
			AfterFunc(f func()) (stop func() bool)
		}); ok {
			return c.AfterFunc(func() { p.poke(me) })
		}
	}
	if ctx.Done() == nil {
		return nil
	}
	return context.AfterFunc(ctx, func() { p.poke(me) })
}

// over reports why a wait must end without what it waited for. The context counts if it is a while since Wait looked at it:
// if this is not the first look.
func (p *Point) over(ctx context.Context, while bool) error {
	switch {
	case p.seg.IsClosed():
		return ErrClosed
	case while:
		return ctx.Err()
	}
	return nil
}
