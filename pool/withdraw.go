package pool

import (
	"fmt"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// returned gives the calls of the oldest message from id on back: the worker says that it has not begun them, nor will. The
// sitting's mu is held.
func (s *sitting) returned(id uint64) error {
	last := s.messages[0].last
	if id != s.next || last > s.cut {
		return fmt.Errorf("calls from %d on come back: %w", id, errProtocol)
	}
	s.takeBack(id, last)
	s.next = last + 1
	return nil
}

// takeBack gives the calls of those ids back to the source that it does not have yet: they are no more under way. The sitting's mu is held.
func (s *sitting) takeBack(from, to uint64) {
	for i := 0; i < len(s.flying); i++ {
		b := s.flying[i]
		if b.first > to || b.first+uint64(b.n) <= from {
			continue
		}
		if end := b.first + uint64(b.n); end > to+1 {
			s.flying = slices.Insert(s.flying, i+1, b.split(int(to+1-b.first)))
		}
		at := int(max(from, b.first) - b.first)
		s.link.underWay.Add(int64(at - b.n))
		s.link.pool.mu.Lock()
		s.link.served -= b.n - at
		s.link.pool.mu.Unlock()
		if at == 0 {
			s.flying = slices.Delete(s.flying, i, i+1)
			i--
		} else {
			rest := b.split(at)
			if s.next == b.first+uint64(at) && i == 0 {
				s.land()
				i--
			}
			b = rest
		}
		if !s.left {
			s.source.again(b)
		}
	}
}

// withdraw takes back what the worker has not begun, if nothing has come since it looked last: it is at something slow. What is in
// the outbox is taken from there. It reports whether there is anything to watch. Any goroutine may call it.
func (s *sitting) withdraw() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	under := s.underWay()
	if s.left || s.over || under <= 1 {
		s.watched = 0
		return false
	}
	if s.next != s.watched {
		s.watched = s.next
		return true
	}
	state := s.link.state
	s.cut = s.last
	state.withdrawn.Store(s.cut) // pairs with the load in (*several).withdrawn
	if futex.Owing && !futex.Barrier() {
		time.Sleep(time.Millisecond) // outlasts a store of the worker's that was on its way
	}
	claimed, _ := s.claim(readClaims(state)) // pairs with the stores in (*several).put and keep
	if s.outbox(readOutbox(state)) != nil {
		return false // the driver finds out
	}
	if claimed >= s.next {
		s.source.measured(slow)
	}
	if from := max(claimed+1, s.next); from <= s.last {
		s.takeBack(from, s.last)
	}
	if len(s.flying) > 0 && s.flying[0].first < s.next { // what is settled need not wait either
		b := s.flying[0]
		s.flying = slices.Insert(s.flying, 1, b.split(int(s.next-b.first)))
		s.land()
	}
	return s.underWay() > 1
}

// slow is what a call takes at least that withdraw has found running twice.
const slow = time.Second

// underWay is how many calls are. The sitting's mu is held.
func (s *sitting) underWay() (n int) {
	for _, b := range s.flying {
		n += b.n
	}
	if len(s.flying) > 0 {
		n -= int(s.next - s.flying[0].first)
	}
	return n
}

// claims are the words by which a worker says what it has begun.
type claims struct {
	claimed uint64
	next    uint64 // the call behind those whose results are in the outbox
	full    bool   // there are some
}

// readClaims reads them, so that the newest call that was begun is no newer than they say. A worker that changes them all the time has begun
// whatever it was sent.
func readClaims(state *workerState) claims {
	for range 1000 {
		first := state.kept.Load()
		n := state.results.Load() >> 32
		if state.kept.Load() == first {
			return claims{claimed: state.claimed.Load(), next: first + n, full: n > 0} // the claim is stored before the outbox is emptied
		}
	}
	return claims{claimed: returned - 1}
}

// claim is the newest call that the worker may have begun, and whether its outcome is there. The sitting's mu is held.
func (s *sitting) claim(c claims) (id uint64, made bool) {
	id, made = c.claimed&^returned, c.claimed&returned != 0
	if c.next <= id || made && c.full && c.next == id+1 { // the outbox is on its way: the next one is begun when it is empty
		return id, made
	}
	for _, m := range s.messages {
		if id >= m.first && id <= m.last { // what is behind its end was not received
			return min(c.next, m.last), c.next > m.last
		}
	}
	return id, made
}

// outboxed are results that were not sent: of n calls from first on.
type outboxed struct {
	first  uint64
	n      int
	row    bool
	frames []byte
}

// readOutbox copies what is in the outbox, nothing if it is emptied meanwhile.
func readOutbox(state *workerState) (o outboxed) {
	first := state.kept.Load()
	row, n, size, ok := resultsIn(state.results.Load()) // pairs with the publish in (*several).put
	if !ok || n == 0 {
		return o
	}
	frames := slices.Clone(state.outbox[:size])
	if state.kept.Load() != first || state.results.Load()>>32 < uint64(n) {
		return o
	}
	return outboxed{first, n, row, frames}
}

// outbox takes results that were not sent: those that come next. The sitting's mu is held.
func (s *sitting) outbox(o outboxed) error {
	if o.first > s.next || o.n == 0 || o.first+uint64(o.n) <= s.next || len(s.messages) == 0 {
		return nil
	}
	if o.row {
		return s.row(o.first, uint64(o.n), o.frames)
	}
	return s.several(o.first, uint64(o.n), o.frames)
}

// running is what Workers says of the call that the worker has begun.
func (s *sitting) running(state *workerState) (r Running, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, made := s.claim(readClaims(state))
	if id < s.next || made {
		return r, false
	}
	for _, b := range s.flying {
		if id >= b.first && id-b.first < uint64(b.n) {
			return Running{Task: s.task, Input: b.load.input(int(id - b.first)), Attempt: b.attempt, Since: b.since}, true
		}
	}
	return r, false
}
