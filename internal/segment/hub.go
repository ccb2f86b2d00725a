package segment

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// A goroutine that sleeps in the kernel has a thread. So a few waits of an attach sleep there, and all
// others are folded into one thread, the hub's, which sleeps on the doorbell of this participant. The hub
// is there from the first wait that is folded until none is, or until Close.
//
// A folded wait goes like a direct one, with the doorbell between the signaller and the waiter:
//
//	waiter                                signaller                    hub
//	s := AnnounceFolded(): sample, mark   make the condition true      d.Announce()
//	condition true? leave                 mark set? if so:             bits := d.Rung()
//	under the hub's lock:                     clear it, seq++, wake    under the hub's lock: wake
//	    seq is s? then into the list          it was folded? if so:    those of the list with these
//	until it is taken off the list            d.Ring(bit) for all      bits whose seq moved
//	                                          d that have joined       sleep on d
//
// If the signaller sees no mark, its look comes before AnnounceFolded, and the waiter finds the condition
// true. Else seq has moved before it rings. If the hub looks at the list for that ring after the waiter is
// there, it finds him; if before, he finds that seq has moved. And the ring is not lost on the hub: see
// futex.Event.Ring.
//
// All folded waiters of an event look again after each signal, whoever it was for, and mark it again; so no
// signal is a token among them, and Exclusive does not concern them, but for Pass, which they owe to those
// who sleep directly.
//
// A signaller that dies is a death that is pushed to all who have joined, and all of them look again, the
// hub included. One that is stopped on its way, and one whose death is not pushed, is what the net is for:
// the hub looks what was marked, and has those look who sleep, or looks in their place; in each turn some, because a look costs
// some µs. It asks for the deaths that are not pushed, once for each participant and not for each wait.
type hub struct {
	mu      word.Mutex
	buckets [buckets][]folded
	n       int
	joined  uint64        // who has joined what the folded waits are for (see futex.HasJoined)
	next    time.Time     // when the hub looks again at the latest
	looked  time.Time     // when the net last looked
	probed  time.Time     // and when it asked for the deaths that are pushed, too
	looking bool          // it does
	timer   *time.Timer   // that looks while the hub sleeps; nil: the hub looks itself
	arming  uint64        // how often one was armed
	fresh   int           // looks of the net until all have slept through many
	untold  bool          // some deaths are not pushed
	turn    int           // the bucket that the net looks at first
	asked   []*waiter     // whom the net has look; of who looks alone
	soonest time.Time     // the first end of a folded wait's sleep; zero: none has one
	done    chan struct{} // closed when the hub's goroutine has ended; nil: there is none
	ticking sync.Mutex    // held by the timer's look
	spin    futex.Spinner
	sleeper futex.Sleeper
}

// buckets is how many bits a doorbell has; each stands for the events in some spans of memory.
const (
	buckets    = 64
	bucketSpan = 64 * Line
)

// folded is one folded wait, in the bucket of its event.
type folded struct {
	w     *waiter
	event *futex.Event // as in w: to look at many costs the memory that is touched
	seq   uint32
	until time.Time // the end of its sleep; zero: the net's looks are enough

	glance func() bool // see Glancer; nil: it is asked
}

// served is the outcome of a sleep in which the waiter got what it waits for.
const served = futex.Outcome(-1)

// none is that of a sleep that goes on.
const none = futex.Outcome(-2)

// Fold has all waits of this attach folded. It is for the crash lab, the models and tests, and is called
// before anybody waits.
func (s *Segment) Fold() { s.seats = 0 }

// bell wakes one goroutine, which looks what for.
type bell struct {
	c    chan struct{}
	rung atomic.Uint32 // in a model
}

func (b *bell) ring() {
	if word.Modelled {
		if m := word.Current(); m != nil {
			b.rung.Store(1)
			m.Poke(&b.rung)
			return
		}
	}
	select {
	case b.c <- struct{}{}:
	default: // it was rung already
	}
}

func (b *bell) wait() {
	if word.Modelled {
		if m := word.Current(); m != nil {
			m.Park(&b.rung)
			b.rung.Store(0)
			return
		}
	}
	<-b.c
}

// fold is the sleep of a waiter that is folded: on the sequence seq, for at most limit, or until poked.
func (s *Segment) fold(w *waiter, wait Wait, seq uint32, limit time.Duration) futex.Outcome {
	h := &s.hub
	h.mu.Lock()
	switch {
	case s.IsClosed() || w.sleeper.Poked():
		h.mu.Unlock()
		return futex.Poked
	case w.event.Moved(seq): // comes before the list is unlocked: pairs with the ring behind the move
		h.mu.Unlock()
		return futex.Changed
	}
	if w.bell.c == nil {
		w.bell.c = make(chan struct{}, 1)
	}
	early := s.enlist(w, seq, limit)
	h.mu.Unlock()
	if early {
		h.sleeper.Poke(s.doorbell().Word())
	}
	for {
		w.bell.wait()
		h.mu.Lock()
		asked, over, out := w.asked, w.at < 0, w.out
		w.asked = false
		h.mu.Unlock()
		if over {
			return out
		}
		if asked {
			if out := s.look(w, wait); out != none {
				return out
			}
		}
	}
}

// enlist puts a waiter on the hub's list, for at most limit, and reports whether the hub sleeps for longer. The hub's lock is held.
func (s *Segment) enlist(w *waiter, seq uint32, limit time.Duration) (early bool) {
	h := &s.hub
	now := word.Now()
	f := folded{w: w, event: w.event, seq: seq, glance: w.glance}
	if limit < net {
		f.until = now.Add(limit)
		if h.soonest.IsZero() || f.until.Before(h.soonest) {
			h.soonest = f.until
		}
	}
	b := &h.buckets[w.bucket]
	w.at = len(*b)
	*b = append(*b, f)
	h.n++
	h.joined |= w.event.Joined()
	if limit < wideNet { // it has not slept through many yet
		h.fresh = manyNets
	}
	early = h.done != nil && h.next.Sub(now) > limit+net/4
	if early {
		h.next = now
	}
	if h.done == nil {
		h.done = make(chan struct{})
		h.next = now
		s.start(s.serve)
	}
	return early
}

// look is one for the net, by a waiter that stays on the list until it has what it waits for, or has lost whom it waits for.
func (s *Segment) look(w *waiter, wait Wait) futex.Outcome {
	if wait.Slept != nil {
		wait.Slept()
	}
	out := none
	switch {
	case wait.Try():
		out = served
	case s.bereft(&wait):
		out = futex.Poked
	default:
		return none
	}
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.at >= 0 {
		h.remove(w, out)
	}
	return out
}

// bereft reports whether a waiter's peer is dead, and known to be: somebody else may have swept its slot, who told nobody, and
// nobody asks for its death any more then.
func (s *Segment) bereft(w *Wait) bool {
	if w.Peer == nil {
		return false
	}
	o := w.Peer()
	return o != 0 && s.Swept(o)
}

// start has f run by a goroutine of its own.
func (s *Segment) start(f func()) {
	if word.Modelled {
		if m := word.Current(); m != nil {
			m.Go(f)
			return
		}
	}
	go f()
}

// doorbell is this participant's.
func (s *Segment) doorbell() *futex.Event { return &s.slot(s.mine).doorbell }

// waiters are those on the list.
func (h *hub) waiters() (ws []*waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.buckets {
		for j := range h.buckets[i] {
			ws = append(ws, h.buckets[i][j].w)
		}
	}
	return ws
}

// release takes w off the list, if it is there, and wakes it. The hub's lock is held.
func (h *hub) release(w *waiter, out futex.Outcome) {
	if w.at >= 0 {
		h.remove(w, out)
		w.bell.ring()
	}
}

func (h *hub) remove(w *waiter, out futex.Outcome) {
	b := &h.buckets[w.bucket]
	last := len(*b) - 1
	(*b)[w.at] = (*b)[last]
	(*b)[w.at].w.at = w.at
	(*b)[last] = folded{}
	*b = (*b)[:last]
	h.n--
	w.at = -1
	w.out = out
}

// serve is the hub's goroutine.
func (s *Segment) serve() {
	h, d := &s.hub, s.doorbell()
	h.begin()
	mark := word.Mark()
	for out := futex.Woken; ; {
		if word.Modelled {
			word.Carry(mark, h.remembered(), uint64(out))
		}
		if out == futex.Woken {
			s.linger(d)
		}
		h.sleeper.Clear()
		seq := d.Announce()
		s.serveRung(d.Rung())
		// In a model, time passes if a sleep ends by it.
		now, lapse := word.Now(), out == futex.TimedOut && word.Modelled && word.Current() != nil
		s.serveLate(now, lapse)
		if due, all := h.due(now, lapse); due {
			s.serveNet(all)
		}
		limit, over := s.plan(out == futex.TimedOut)
		if over {
			return
		}
		out = h.sleeper.Sleep(d.Word(), seq, limit)
		d.Recede()
	}
}

// plan is for how long the hub sleeps, behind a look of the net, and whether it is over: nothing is
// folded, and was not for a while, or the segment is closed.
func (s *Segment) plan(idle bool) (limit time.Duration, over bool) {
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.IsClosed() || h.n == 0 && (idle || word.Modelled && word.Current() != nil) {
		s.doorbell().Recede() // before another hub can be there
		h.joined = 0
		h.disarm()
		close(h.done)
		h.done = nil
		return 0, true
	}
	h.next = h.looked.Add(h.interval())
	if h.quiet() {
		s.arm()
		return -1, false
	}
	h.disarm()
	if !h.soonest.IsZero() && h.soonest.Before(h.next) {
		h.next = h.soonest
	}
	return max(h.next.Sub(word.Now()), 0), false
}

// each calls visit for the waits in bucket i, until it has called it for all that stay.
func (h *hub) each(i int, visit func(f *folded) (futex.Outcome, bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for j := 0; j < len(h.buckets[i]); {
		f := &h.buckets[i][j]
		if out, over := visit(f); over {
			h.release(f.w, out) // another one is at j now
			continue
		}
		j++
	}
}

// lingering is how often in a row the hub serves its doorbell before it looks at its net.
const lingering = 256

// linger serves the doorbell without a sleep, and without a mark, so that those who ring it make no system call. Those who can
// run go first (on one CPU, now and then): as long as there are any, the hub costs no more than a look between them.
func (s *Segment) linger(d *futex.Event) {
	if word.Modelled && word.Current() != nil {
		return
	}
	for range lingering {
		s.serveRung(d.Rung())
		if !s.hub.spin.Spin(d.Rang, futex.Polling{Yield: true}) {
			return
		}
	}
}

// serveRung wakes those with these bits whose sequence moved.
func (s *Segment) serveRung(rung uint64) {
	for ; rung != 0; rung &= rung - 1 {
		s.hub.each(bits.TrailingZeros64(rung), func(f *folded) (futex.Outcome, bool) {
			return futex.Woken, f.event.Moved(f.seq)
		})
	}
}

// serveLate wakes those whose sleep is over.
func (s *Segment) serveLate(now time.Time, lapse bool) {
	h := &s.hub
	h.mu.Lock()
	late := !h.soonest.IsZero() && (lapse || !now.Before(h.soonest))
	if late {
		h.soonest = time.Time{}
	}
	h.mu.Unlock()
	for i := 0; late && i < buckets; i++ {
		h.each(i, func(f *folded) (futex.Outcome, bool) {
			if f.until.IsZero() {
				return 0, false
			}
			if lapse || !now.Before(f.until) {
				return futex.TimedOut, true
			}
			if h.soonest.IsZero() || f.until.Before(h.soonest) {
				h.soonest = f.until
			}
			return 0, false
		})
	}
}

// dismissHub ends the hub's goroutine, and waits for that. The segment is closed.
func (s *Segment) dismissHub() {
	h := &s.hub
	h.mu.Lock()
	done := h.done
	h.mu.Unlock()
	if done != nil {
		h.sleeper.Poke(s.doorbell().Word())
		<-done
		h.ticking.Lock() // behind a look that the timer has begun
		defer h.ticking.Unlock()
	}
}

// remembered is what a model must know of the list.
func (h *hub) remembered() (sum uint64) {
	for i := range h.buckets {
		for _, f := range h.buckets[i] {
			sum += uint64(i+1)<<40 + uint64(f.seq)<<1 + word.Bit(f.w.asked)
		}
	}
	return sum
}

// noSlot is the number of no slot.
const noSlot = ^uint32(0)

// ring rings the doorbells of those who have joined the event at off, but for that of the slot skip.
func (m *mapping) ring(slots uint32, joined, off uint64, skip uint32) {
	for first := range uint32(futex.JoinedSlots) {
		if !futex.HasJoined(joined, first) {
			continue
		}
		for i := first; i < slots; i += futex.JoinedSlots {
			if i == skip {
				continue
			}
			if p := m.participant(i); p.state.Load()&0xff == slotLive {
				p.doorbell.Ring(1 << bucketOf(off))
			}
		}
	}
}

// bucketOf is the bit of the event at off. What lies side by side is looked at together; what lies a round number of bytes apart, as
// connections do, is not: the bit is of a hash of the span's number, multiplied twice by 2^64 over the golden ratio, the halves mixed between.
func bucketOf(off uint64) uint64 {
	const ratio = 0x9e3779b97f4a7c15
	h := off / bucketSpan * ratio
	return (h ^ h>>32) * ratio >> 58
}
