package segment

import (
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Brief sleeps. Some waits must begin with a sleep that ends after a millisecond or so: before the waiter
// pays for a fence, or becomes urgent. Most are over long before that, and a timer of the kernel's for each
// costs more than the sleep and the wake together, if it comes before all others that the CPU has set,
// because the clock is set anew (in a virtual machine by leaving it: 3 µs). So where there are many brief sleeps, they set
// no timer. As long as that lasts, an attendant, one goroutine for each attach, looks at them every
// millisecond, and pokes those whom it finds in the same sleep twice. All waits that sleep in the kernel
// begin with such a sleep: before the second they set a timer, and have the end of their context tell them, and most
// of them never come to that.
//
// A look of the attendant's takes some 25 µs from whoever polls on its CPU. The peer of that one may then wait for so long that it
// sleeps; so if one sleep in a millisecond were enough to keep the attendant there, it would keep itself there.
//
//	brief.sleep  0         the waiter is in a long sleep, or new   the waiter
//	             n > 0     it is in its n-th brief one, about to   the waiter
//	                       begin it, or has not slept since
//	brief.over   n         the n-th has lasted long enough         the attendant, before it pokes
//
// A waiter stores its sleep before it looks whether there is an attendant, and an attendant that leaves says so before its last look but one.
// So that look finds whoever has set no timer, and the last one pokes those who still are in the same sleep. Another attendant may be there by then:
// to be poked by two is no more than to be poked.
type brief struct {
	count uint64 // of the waiter's alone
	sleep atomic.Uint64
	over  atomic.Uint64
}

const (
	// directWaits is how many waits of an attach sleep in the kernel, with a thread each, at most. With
	// the hub's, and another for those who run, the threads are eight.
	directWaits = 6

	// attendantTick is how long a brief sleep lasts at least, and about half of how long it lasts at most.
	attendantTick = time.Millisecond
	// manyBriefs is how many brief sleeps in the time of a tick are many: their timers cost as much as a look.
	manyBriefs = 4
	// attendantIdle is for how many ticks an attendant stays when there are fewer: to start one costs
	// as much as some of its looks.
	attendantIdle = 8
)

// briefly reports whether w's first sleep is brief in any case. A model has enough of them.
func briefly(w *waiter) bool {
	return w.place >= 0 && firstSleep != 0 && net == SafetyNet && !(word.Modelled && word.Current() != nil)
}

// seat finds a place for w among those who sleep in the kernel. If there is none, or it is better so, it is folded. (An
// observer's segment has no doorbell, and nobody waits there.)
func (s *Segment) seat(w *waiter, folded bool) {
	w.place = -1
	for i := range s.seats {
		if folded {
			break
		}
		if s.places[i].take(w) {
			w.place = i
			return
		}
	}
	w.folded = !s.observer
}

// rise gives the place back.
func (s *Segment) rise(w *waiter) {
	if w.place >= 0 {
		s.places[w.place].free()
	}
	w.place, w.folded = -1, false
}

// makeRoom folds a wait that sleeps in the kernel, and for which nothing has happened while others may
// want its place; or for long, if the hub's look is cheaper: it costs as much as the one that one waiter
// makes, and at a lock that one comes every time.
func (s *Segment) makeRoom(w *waiter, long bool, manner Manner) (folded bool) {
	if w.place < 0 || s.observer {
		return false
	}
	s.hub.mu.Lock()
	wanted := s.hub.n > 0
	s.hub.mu.Unlock()
	if wanted || long && (manner == Exclusive || s.seated() > 1) {
		s.rise(w)
		w.folded = true
	}
	return w.folded
}

// seated is how many sleep in the kernel.
func (s *Segment) seated() (n int) {
	for i := range s.places {
		if s.places[i].sits() != nil {
			n++
		}
	}
	return n
}

// timer is the time that w's sleep is to end after, if one of at most limit begins now: none if an attendant ends it.
func (s *Segment) timer(w *waiter, limit time.Duration) time.Duration {
	if limit > attendantTick || w.place < 0 || word.Modelled && word.Current() != nil {
		w.brief.sleep.Store(0)
		return limit
	}
	b := &w.brief
	b.count++
	b.sleep.Store(b.count)
	if s.briefs.Add(1)%manyBriefs == 0 && s.hurried() && s.attending.CompareAndSwap(false, true) {
		go s.attend()
	}
	if s.attending.Load() {
		return -1
	}
	return limit
}

// woke is what ended the sleep, if that is what w was told.
func (w *waiter) woke(out futex.Outcome) futex.Outcome {
	if b := &w.brief; out == futex.Poked && b.sleep.Load() != 0 && b.over.Load() == b.count {
		return futex.TimedOut
	}
	return out
}

// hurried reports whether there is no attendant, and so many brief sleeps as are many took less than a tick. It is asked once for so many, since it looks at the clock.
func (s *Segment) hurried() bool {
	if s.attending.Load() {
		return false
	}
	now := time.Since(epoch)
	return now-time.Duration(s.brisk.Swap(int64(now))) < attendantTick
}

// attend is the attendant.
func (s *Segment) attend() {
	tick := time.NewTicker(attendantTick)
	defer tick.Stop()
	var seen [directWaits]struct {
		w *waiter
		n uint64
	}
	counted := s.briefs.Load()
	for left := attendantIdle; ; left-- {
		select {
		case <-s.closed: // all are poked
			s.attending.Store(false)
			return
		case <-tick.C:
		}
		if left == 0 {
			s.attending.Store(false)
		}
		for i := range s.places {
			w := s.places[i].sits()
			if w == nil {
				continue
			}
			n := w.brief.sleep.Load()
			if n == 0 {
				continue
			}
			if last := &seen[i]; last.w != w || last.n != n {
				last.w, last.n = w, n
				continue
			}
			w.brief.over.Store(n)
			w.sleeper.Poke(w.event.Word())
		}
		if left < 0 {
			return
		}
		n := s.briefs.Load()
		if left > 0 && n-counted >= manyBriefs {
			left = attendantIdle
		}
		counted = n
	}
}
