package segment

import (
	"errors"
	"maps"
	"slices"

	"github.com/kindred-ipc/kindred/internal/liveness"
	"github.com/kindred-ipc/kindred/internal/race"
)

// The one recovery path. A participant that is gone, by a kill, an exit or Close, leaves a live
// slot whose byte nobody holds. Whoever notices takes the byte, which excludes every other sweeper,
// and sweeps; if it dies meanwhile, its own lock is freed with it and the next one begins again.
//
// A sweep ends in one swap, of the slot's state; everything before it can be done twice: that is the
// heap's part (heap_sweep.go), which may go on in several processes at a time. From that
// swap on every Owner of the slot's last generation names somebody dead, and locks that carry it
// are taken over by the next one who wants them.

// sweepSlot frees p, the slot of a participant of that generation, whose byte the caller holds. It
// swaps, and does not store, because two goroutines of one attach do not exclude each other by the
// byte: the one gives it back while the other still sweeps, and the slot may have gone to somebody
// else by then, under the next generation.
func sweepSlot(h *header, p *participant, generation uint32) {
	if p.state.CompareAndSwap(slotState(generation, slotLive), slotState(generation, slotFree)) {
		h.swept.Add(1)
	}
}

// Gone reports whether o is proven dead, and sweeps its slot if so. It makes a system call unless o
// was swept before.
func (s *Segment) Gone(o Owner) bool {
	gone := s.gone(o)
	if race.Enabled && gone {
		s.deaths().Acquire(0)
	}
	return gone
}

// deaths orders what the goroutines of this process did before one of its attaches was closed.
func (s *Segment) deaths() race.Word { return race.At(s.id, 0) }

func (s *Segment) gone(o Owner) bool {
	if o == 0 || o == s.Self() {
		return false
	}
	i := o.slot()
	if i >= s.slots {
		return true // no such slot: the word was never written by a participant
	}
	p := s.slot(i)
	if p.state.Load() != slotState(o.generation(), slotLive) {
		return true
	}
	if s.provenDead(o) {
		s.sweep(o)
		return true
	}
	held, err := liveness.Held(s.locks, lockBase+int64(i))
	if err != nil || held {
		return false
	}
	s.sweep(o)
	return true
}

// sweep frees o's slot if its byte can be had. It may still be held by a child that the dead one
// was about to start; then the next look sweeps.
func (s *Segment) sweep(o Owner) {
	self := s.Self()
	if self == 0 {
		return // an observer changes nothing
	}
	if o.slot() == self.slot() {
		return // somebody wrote over this attach's slot; its byte must not be given back
	}
	// Also if the byte cannot be had: whoever goes on, because the owner of what it wants is dead, finds
	// no block half stored.
	s.sweepHeap(o)
	off := lockBase + int64(o.slot())
	ok, err := liveness.TryLock(s.locks, off, 1)
	if err != nil || !ok {
		return
	}
	sweepSlot(s.m.header(), s.slot(o.slot()), o.generation())
	_ = liveness.Unlock(s.locks, off, 1)
}

// toldOf is Swept for those whose slots are not free yet.
func (s *Segment) toldOf(o Owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return s.dead[o]
}

func (s *Segment) provenDead(o Owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.dead[o]
	return ok
}

// maxWatches bounds the descriptors that watches take. Deaths of others are found at the safety net.
const maxWatches = 128

// news is what this process will hear of a participant's death.
type news int

const (
	untold   news = iota // nothing: it has to look
	pushed               // at once
	doubtful             // nothing, and he may be dead already: it has to look soon
)

// watch has o's death pushed to this process, if the system can. It also reports whether o turned out
// to be gone already.
func (s *Segment) watch(o Owner) (gone bool, _ news) {
	p := s.slot(o.slot())
	theirs := liveness.Identity{Pid: p.pid, Namespace: p.namespace}
	s.mu.Lock()
	_, watched := s.watches[o]
	left := len(s.watches) >= maxWatches && s.prune()
	many := len(s.watches) >= maxWatches
	s.mu.Unlock()
	if left {
		s.pokeAll() // died would have done so
	}
	if watched || o == s.Self() {
		return false, pushed
	}
	if many || !s.ident.SameNamespace(theirs) {
		return false, untold
	}
	w, err := liveness.NewWatch(int(theirs.Pid), func() { s.died(o) })
	if err != nil {
		switch {
		case errors.Is(err, liveness.ErrUnsupported):
			return false, untold
		case s.Gone(o):
			return true, untold
		}
		// Perhaps there is no such process any more, and it is a newcomer or a sweeper who holds the byte.
		return false, doubtful
	}
	s.mu.Lock()
	if _, watched := s.watches[o]; watched || s.watches == nil {
		s.mu.Unlock()
		w.Stop()
		return false, pushed // or the segment is closed
	}
	left = s.prune()
	s.watches[o] = w
	s.mu.Unlock()
	if left {
		s.pokeAll() // died would have done so
	}
	// Only now is it certain whom the watch is on: the process that held the lock just now cannot
	// have had its number used again.
	return s.Gone(o), pushed
}

// unwatch takes o out of watches. s.mu is held.
func (s *Segment) unwatch(o Owner) {
	delete(s.watches, o)
	s.lately.Store(0)
}

// prune ends the watches on those who left by now, because their processes may live for long, and
// forgets the proofs that were used, always in the same order, which a model of it (package word) needs to
// repeat a run. It reports whether there were such watches: one whom another process has swept may have
// died, and not be told of any more to those who sleep here. s.mu is held.
func (s *Segment) prune() (ended bool) {
	for _, o := range slices.Sorted(maps.Keys(s.watches)) {
		if s.free(o) {
			s.watches[o].Stop()
			s.unwatch(o)
			ended = true
		}
	}
	s.forget()
	return ended
}

// forget is the part of prune that is of the dead.
func (s *Segment) forget() {
	for _, o := range slices.Sorted(maps.Keys(s.dead)) {
		if s.free(o) {
			if s.dead[o] {
				s.told.Add(-1)
			}
			delete(s.dead, o)
		}
	}
}

// free reports whether o's slot is not o's any more.
func (s *Segment) free(o Owner) bool {
	return s.slot(o.slot()).state.Load() != slotState(o.generation(), slotLive)
}

// died is called once the pidfd of o's process is readable: every thread of it is gone.
func (s *Segment) died(o Owner) {
	s.mu.Lock()
	if s.watches == nil {
		s.mu.Unlock()
		return
	}
	if _, there := s.dead[o]; !there { // it may be told of a death twice: a watch on who is dead and not reaped yet tells of it at once
		s.dead[o] = false
	}
	s.unwatch(o)
	s.mu.Unlock()
	s.Gone(o)
	s.mu.Lock()
	if done, there := s.dead[o]; there && !done { // nobody has forgotten it meanwhile, because the slot is free
		s.dead[o] = true
		s.told.Add(1)
	}
	s.mu.Unlock()
	// Locks that lie in users' own structs are in no list, so each process looks again at all of
	// its own waits.
	s.pokeAll()
}

// sweepAll sweeps whoever is dead, for somebody who finds no memory.
func (s *Segment) sweepAll() {
	for i := range s.slots {
		if state := s.slot(i).state.Load(); state&0xff == slotLive {
			s.Gone(makeOwner(i, uint32(state>>8)))
		}
	}
}
