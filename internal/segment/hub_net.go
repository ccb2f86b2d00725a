package segment

import (
	"context"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// The hub's net. As long as something is new, the hub itself looks, every 100 ms: its sleep ends by time. When all is quiet, and
// only a look each second is left, a timer makes it, and the hub sleeps without an end. A goroutine that comes out of a system call
// wakes the scheduler's monitor, and keeps its processor in the next one until the monitor, polling every 20 µs for 10 ms, takes
// that away; a goroutine of a timer's wakes and keeps nobody.
//
//	looks      when                                     ends by
//	the hub    somebody is new, or sleeps briefly,      plan, when all is quiet: arm
//	           or has a peer whose death is not pushed
//	the timer  else                                     tick, when it is not quiet any more: it pokes the hub; or the hub's plan

// looksAtATime is how many waits the net looks at in one turn, and those in the bucket of the last.
const looksAtATime = 256

// A Glancer is a context by which the net looks in the place of a goroutine whose wait with it is OneOfMany: to wake that costs more than
// all of the rest, for a thousand connections in which nothing happens.
type Glancer interface {
	// Glance is nil, or says whether the wait may be over: whenever Try would, or the Peer is known to be dead. It is called while the goroutine sleeps, with the hub's
	// lock held, so it may use what is the goroutine's, and does not block.
	Glance() func() bool
}

// glanceOf is how the net looks for w, which is OneOfMany and waits with that context; nil: it asks the goroutine.
func (w *Wait) glanceOf(ctx context.Context) func() bool {
	if g, ok := ctx.(Glancer); ok && w.Slept == nil {
		return g.Glance()
	}
	return nil
}

// begin is called by a hub's goroutine that starts.
func (h *hub) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looked = word.Now()
	h.probed = h.looked
}

// interval is how long it is from one look to the next. The hub's lock is held.
func (h *hub) interval() time.Duration {
	if h.fresh > 0 || h.untold {
		return net
	}
	return max(net, wideNet)
}

// quiet reports whether nothing but looks at long intervals is left to do. The hub's lock is held.
func (h *hub) quiet() bool {
	modelled := word.Modelled && word.Current() != nil
	return h.n > 0 && h.soonest.IsZero() && h.interval() >= wideNet && !modelled
}

// due begins a look, if it is time for one, and reports whether the deaths that are pushed are to be asked for, too.
func (h *hub) due(now time.Time, lapse bool) (due, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.looking || !lapse && now.Before(h.looked.Add(h.interval())) {
		return false, false
	}
	all = lapse || now.Sub(h.probed) >= wideNet
	h.looking, h.looked = true, now
	if all {
		h.probed = now
	}
	return true, all
}

// arm has a timer look. The hub's lock is held.
func (s *Segment) arm() {
	h := &s.hub
	if h.timer != nil {
		return
	}
	h.arming++
	n := h.arming
	h.timer = time.AfterFunc(max(time.Until(h.next), 0), func() { s.tick(n) })
}

// disarm ends that. The hub's lock is held.
func (h *hub) disarm() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// tick is the look of the timer that was armed as the n-th.
func (s *Segment) tick(n uint64) {
	h := &s.hub
	h.ticking.Lock()
	defer h.ticking.Unlock()
	if !h.armed(n) {
		return
	}
	if due, all := h.due(word.Now(), false); due {
		s.serveNet(all)
	}
	h.mu.Lock()
	armed, quiet := h.timer != nil && h.arming == n, h.quiet() && !s.IsClosed()
	if armed {
		h.timer = nil
		if quiet {
			h.next = h.looked.Add(h.interval())
			s.arm()
		}
	}
	h.mu.Unlock()
	if armed && !quiet {
		h.sleeper.Poke(s.doorbell().Word())
	}
}

// armed reports whether the timer that was armed as the n-th is the one that looks.
func (h *hub) armed(n uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.timer != nil && h.arming == n
}

// serveNet is a look of the net.
func (s *Segment) serveNet(all bool) {
	h := &s.hub
	untold, gone := s.probe(all)
	if gone {
		s.pokeAll()
	}
	h.mu.Lock()
	if h.untold = untold; h.fresh > 0 {
		h.fresh--
	}
	h.mu.Unlock()
	for looks, i := 0, 0; i < buckets && looks < looksAtATime; i++ {
		h.each(h.turn, func(f *folded) (futex.Outcome, bool) {
			looks++
			if !f.event.Stands(f.seq) {
				return futex.Woken, true
			}
			if f.glance != nil {
				return futex.Woken, f.glance()
			}
			f.w.asked = true
			h.asked = append(h.asked, f.w)
			return 0, false
		})
		h.turn = (h.turn + 1) % buckets
	}
	// All at once, and without the lock, for which they would wait. (A ring for one who is there no more is of no effect.)
	for _, w := range h.asked {
		w.bell.ring()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.asked)
	h.asked, h.looking = h.asked[:0], false
}

// probe asks the kernel whether one of those is dead who have joined what is waited for: those whose death
// is not pushed, of whom it also reports whether there are any, or all, because one of them may have
// executed another program.
func (s *Segment) probe(all bool) (untold, gone bool) {
	s.hub.mu.Lock()
	joined := s.hub.joined
	s.hub.mu.Unlock()
	for i := range s.slots {
		state := s.slot(i).state.Load()
		if state&0xff != slotLive || !futex.HasJoined(joined, i) {
			continue
		}
		o := makeOwner(i, uint32(state>>8))
		watched := s.watched(o)
		untold = untold || !watched
		gone = (all || !watched) && s.Gone(o) || gone
	}
	return untold, gone
}
