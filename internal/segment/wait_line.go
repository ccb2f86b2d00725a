package segment

import (
	"cmp"
	"maps"
	"slices"

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

// line queues the caller up.
func (p *Point) line() *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	me := &p.own
	if p.owned || p.first != nil {
		me = new(waiter)
		me.begin(p)
	} else {
		p.owned = true
	}
	p.queued++
	p.crowded.Store(true)
	if p.first == nil {
		p.first, p.last = me, me
		p.leader.Store(me)
		return me
	}
	me.turn = make(chan struct{})
	me.previous, p.last.next, p.last = p.last, me, me
	return me
}

func (w *waiter) begin(p *Point) {
	w.point, w.event, w.bucket, w.at = p, p.event, bucketOf(p.off), -1
}

// leave takes the caller out of the queue and lets the next one lead.
func (p *Point) leave(me *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if me == &p.own {
		p.owned = false
	}
	p.queued--
	p.crowded.Store(p.queued > 0)
	if me.next != nil {
		me.next.previous = me.previous
	} else {
		p.last = me.previous
	}
	if me.previous != nil {
		me.previous.next = me.next
	} else {
		p.first = me.next
		p.leader.Store(p.first)
		if p.first != nil {
			close(p.first.turn)
		}
	}
	me.previous, me.next = nil, nil
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
	s.mu.Lock()
	points := slices.Collect(maps.Values(s.points))
	if word.Modelled {
		slices.SortFunc(points, func(a, b *Point) int { return cmp.Compare(a.off, b.off) }) // a run must repeat
	}
	s.mu.Unlock()
	for _, p := range points {
		if w := p.leader.Load(); w != nil {
			p.poke(w)
		}
	}
}
