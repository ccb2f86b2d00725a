package segment

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// waiter is one goroutine that could not go on at once.
type waiter struct {
	point          *Point
	event          *futex.Event
	sleeper        futex.Sleeper
	brief          brief
	place          int           // among those who sleep in the kernel, -1: none
	folded         bool          // it sleeps by the hub
	counted        bool          // in its point's folded
	glance         func() bool   // see Glancer
	unheed         func() bool   // ends that the end of the context pokes; nil: it does not
	turn           chan struct{} // closed when it became the leader; nil if it was from the beginning
	previous, next *waiter

	// For the hub, and under its lock but for bucket:
	bucket uint64
	at     int // in the bucket, -1: it is not there
	bell   bell
	asked  bool          // to look, and stay there
	out    futex.Outcome // of the sleep that is over if it is not there
}

// announce marks w as a waiter of its kind.
func (w *waiter) announce() uint32 {
	if w.folded {
		if !w.counted {
			w.counted = true
			w.point.folded.Add(1)
		}
		return w.event.AnnounceFolded()
	}
	return w.event.Announce()
}

// over is called when w waits no more.
func (w *waiter) over() {
	if w.counted {
		w.counted = false
		w.point.folded.Add(-1)
	}
}

// seat is taken by one waiter at a time. Whose it was is kept: mostly he is the next one who takes it, and to store a pointer
// calls two functions.
type seat struct {
	taken  atomic.Bool
	waiter atomic.Pointer[waiter] // stored behind taken
}

func (s *seat) take(w *waiter) bool {
	if s.taken.Load() || !s.taken.CompareAndSwap(false, true) {
		return false
	}
	if s.waiter.Load() != w {
		s.waiter.Store(w)
	}
	return true
}

func (s *seat) free() { s.taken.Store(false) }

// sits is who has the seat, nil if nobody does. One who is about to take it need not be told.
func (s *seat) sits() *waiter {
	if !s.taken.Load() {
		return nil
	}
	return s.waiter.Load()
}

// The line of those who wait at a point. Most often there is one, who comes and goes by a swap and a store.
//
//	front      free -> taken   who finds nobody there, or is handed it           line, leave (for the next)
//	           taken -> free   the leader, when it goes                          leave
//	followers  + 1             who comes, before it looks whether anybody leads  line, with the lock
//	           - 1             when it leads, or goes                            line, unlink, with the lock
//
// A leader that goes frees the front before it looks for followers, and who comes counts itself before it looks at the front:
// so one of the two sees the other, and nobody is left behind without a leader. Between a leader that goes and the next the front is
// free while others queue up. Who comes then queues up behind them: they may wait for what is over already, and he for what comes
// when they have seen it. One who came when none of them had counted himself, and took the front later, is before all of them.

// line queues the caller up.
func (p *Point) line() *waiter {
	if p.followers.Load() == 0 && p.front.take(&p.own) {
		return &p.own
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	me := new(waiter)
	me.begin(p)
	p.followers.Add(1)
	if p.first == nil && p.front.take(me) {
		p.followers.Add(-1)
		return me
	}
	me.turn = make(chan struct{})
	if me.previous = p.last; p.last != nil {
		p.last.next = me
	} else {
		p.first = me
	}
	p.last = me
	return me
}

func (w *waiter) begin(p *Point) {
	w.point, w.event, w.bucket, w.at = p, p.event, bucketOf(p.off), -1
}

// leave takes the caller out of the queue and lets the next one lead.
func (p *Point) leave(me *waiter) {
	if p.front.waiter.Load() != me && p.gaveUp(me) {
		return
	}
	p.front.free()
	if p.followers.Load() > 0 {
		p.handOn()
	}
}

// handOn lets the first of those in line lead, if nobody does.
func (p *Point) handOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next := p.first; next != nil && p.front.take(next) {
		p.unlink(next)
		close(next.turn)
	}
}

// gaveUp takes a follower out of the queue, unless it has become the leader.
func (p *Point) gaveUp(me *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.front.waiter.Load() == me {
		return false
	}
	p.unlink(me)
	return true
}

// unlink takes a follower out of the queue. The lock is held.
func (p *Point) unlink(w *waiter) {
	if w.next != nil {
		w.next.previous = w.previous
	} else {
		p.last = w.previous
	}
	if w.previous != nil {
		w.previous.next = w.next
	} else {
		p.first = w.next
	}
	w.previous, w.next = nil, nil
	p.followers.Add(-1)
}

// poke makes w look again.
func (p *Point) poke(w *waiter) {
	w.sleeper.Mark()
	h := &p.seg.hub
	h.mu.Lock()
	folded := w.at >= 0
	h.release(w, futex.Poked)
	h.mu.Unlock()
	if !folded {
		w.sleeper.Poke(w.event.Word())
	}
}

// pokeAll makes every sleeping goroutine of this process look again. One that has not begun to lead when
// this is called looks before it sleeps.
func (s *Segment) pokeAll() {
	s.bells.Ring()
	for _, w := range s.leaders() {
		w.point.poke(w)
	}
}

// leaders are those who lead at a point, each once. What they wait at may have been destroyed, and another object may be there, with a
// point of its own. (No lock is taken under another.)
func (s *Segment) leaders() (ws []*waiter) {
	sleepers := s.hub.waiters()
	for i := range s.places {
		if w := s.places[i].sits(); w != nil {
			sleepers = append(sleepers, w)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.points {
		if w := p.front.sits(); w != nil {
			ws = append(ws, w)
		}
	}
	if word.Modelled {
		slices.SortFunc(ws, func(a, b *waiter) int { return cmp.Compare(a.point.off, b.point.off) }) // a run must repeat
	}
	for _, w := range sleepers {
		if s.points[w.point.off] != w.point {
			ws = append(ws, w)
		}
	}
	return ws
}
