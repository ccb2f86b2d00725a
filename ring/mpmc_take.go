package ring

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// How a pop goes through the lanes, and takes from one of them by a swap of its head; see mpmc_pop.go for what the words mean.

// pop takes the first values of a lane, up to len(vs) and maxTake of them. It reports whether others stood in
// the way if it took none.
func (m *MPMC[T]) pop(vs []T, h *hold, how manner) (n int, busy bool, err error) {
	if err := m.seg.Writable(); err != nil {
		return 0, false, err
	}
	plain := m.plain()
	tag, own, err := m.sit(how)
	if tag == 0 || err != nil {
		if err == nil {
			m.busy(how)
		}
		return 0, err == nil, err
	}
	n, busy, err = m.scan(vs, tag, h, plain, how)
	if !own {
		m.seats[tag-1].owner.Store(0)
	}
	if n > 0 && !m.room.Event().Idle() {
		m.made(0)
	}
	if m.hall.crowd.Load() != 0 && (n > 0 || !own) {
		m.disperse()
	}
	if busy {
		m.busy(how)
	}
	if err == nil && m.cut() {
		err = m.seg.Writable()
	}
	if err != nil {
		n = 0
	}
	return n, busy, err
}

// scan takes from the first lane that has something, and takes the bias of its head away only if no other has. If
// none has anything, it looks at all of them twice, so that there was a moment in between at which all were empty.
func (m *MPMC[T]) scan(vs []T, tag uint64, h *hold, plain bool, how manner) (n int, busy bool, err error) {
	lanes := uint32(len(m.lanes))
	for range tryAgain {
		var fronts [maxLanes]uint64
		var held *track[T]
		turn := m.here.turn.Load()
		for k := range lanes {
			i := (turn + k) % lanes
			l := &m.lanes[i]
			n, p, why, err := m.takeFrom(l, vs, tag, plain)
			if n > 0 && k > 0 {
				m.here.turn.Store(i)
			}
			if n > 0 || err != nil {
				return n, false, err
			}
			if why == isHeld && h.holds(uint64(i), l.head.Load()) {
				m.here.turn.Store(i)
				return 0, false, errAgain
			}
			if why == isHeld && held == nil {
				held = l
			}
			busy = busy || why == isBusy
			fronts[i] = p
		}
		if held != nil {
			p := fronts[held.takes]
			if how == polling && held.alone.stuck.Swap(p) != p {
				return 0, true, nil // the one that has it is at it
			}
			free, err := m.unseat(held, how)
			if err != nil {
				return 0, false, err
			}
			if free {
				continue
			}
			busy = true
		}
		switch {
		case busy:
			return 0, true, nil
		case !m.still(&fronts):
			continue
		case !m.isClosed():
			return 0, false, nil
		}
		// A push that is under way may have begun before the ring was closed.
		if idle, err := m.idle(how); !idle || err != nil {
			return 0, err == nil, err
		}
		if m.still(&fronts) {
			return 0, false, ErrClosed
		}
	}
	return 0, true, nil
}

// still reports whether all lanes are as empty as they were found, with the next value at these positions.
func (m *MPMC[T]) still(fronts *[maxLanes]uint64) bool {
	for i := range m.lanes {
		l, p := &m.lanes[i], fronts[i]
		if l.slots[p&m.mask].sequence.Load() == p+1 || m.front(l) != p {
			return false
		}
	}
	return true
}

// idle reports whether nobody is pushing.
func (m *MPMC[T]) idle(how manner) (bool, error) {
	for i := range m.lanes {
		l := &m.lanes[i]
		if l.lock.Load() == 0 {
			continue
		}
		ok, err := m.lock(l, how)
		if !ok && err == nil {
			ok, err = m.revoke(l)
		}
		if !ok || err != nil {
			return false, err
		}
		m.unlock(l.lane)
	}
	return true, nil
}

// reason is why nothing was taken from a lane.
type reason int

const (
	isEmpty reason = iota
	isBusy         // another goroutine with this seat is just taking some
	isHeld         // there is something, but its head has a bias
)

// takeFrom takes the first values of a lane. If it takes none, it says why, and where the lane was empty.
func (m *MPMC[T]) takeFrom(l *track[T], vs []T, tag uint64, plain bool) (n int, p uint64, why reason, err error) {
	vs = vs[:min(len(vs), maxTake)]
	take := &m.seats[tag-1].takes[l.takes]
	for range tryAgain {
		head := l.head.Load()
		held := head>>headState&stateMask != stateLocked
		p = head >> endShift
		if held {
			p = m.front(l)
		}
		there := l.slots[p&m.mask].sequence.Load()
		if there != p+1 {
			if l.head.Load() != head || held && m.front(l) != p {
				continue
			}
			before := uint64(0) // of the value that was there a lap ago
			if p > m.mask {
				before = p - m.mask
			}
			if there != before {
				return 0, p, isEmpty, fmt.Errorf("slot %d of lane %d has sequence %d at position %d: %w",
					p&m.mask, l.takes, there, p, ErrCorrupt)
			}
			return 0, p, isEmpty, nil
		}
		if held {
			return 0, p, isHeld, nil
		}
		free, err := m.settle(l, head, tag, take.Load())
		if !free || err != nil {
			return 0, p, isBusy, err
		}
		n = 0
		for ; n < len(vs); n++ {
			s := &l.slots[(p+uint64(n))&m.mask]
			if s.sequence.Load() != p+uint64(n)+1 {
				break
			}
			vs[n] = s.value
		}
		if n == 0 {
			continue // it was taken meanwhile
		}
		if race.Enabled {
			m.race.Release(m.raceHead(l))
		}
		next := (p+uint64(n))<<endShift | uint64(n-1)<<seatBits | tag
		if !l.head.CompareAndSwap(head, next) { // commits the pop
			continue
		}
		if race.Enabled {
			for k := range uint64(n) {
				m.race.Acquire(m.raceItem(l, (p+k)&m.mask))
			}
		}
		if done := next - tag + takeDone; plain {
			futex.Publish(take, done)
		} else {
			take.Store(done)
		}
		return n, p, isEmpty, nil
	}
	return 0, p, isBusy, nil
}

// settle sees to it that the take that a lane's head names is not forgotten when the head is swapped, and
// reports whether the seat has no take under way there.
func (m *MPMC[T]) settle(l *track[T], head, tag, mine uint64) (free bool, err error) {
	last, done := head&seatMask, head&^seatMask|takeDone
	switch {
	case last == tag:
		return mine == done, nil
	case mine&seatMask == takeOpen:
		return false, nil
	case last > uint64(len(m.seats)):
		return false, fmt.Errorf("head %#x of lane %d names seat %d: %w", head, l.takes, last, ErrCorrupt)
	case last != 0:
		m.seats[last-1].keep(l.takes, head)
	}
	l.alone.since.Store(head >> endShift)
	return true, nil
}

// turnEvery is after how many values from a lane another gets its turn that has some, of which nothing was taken since
// the look before: who pops leaves the others to whoever is at them. One to which somebody else has the bias is looked
// at every heldEvery values.
const (
	turnEvery = 64
	heldEvery = turnEvery << 8
)

// rotate has the next lane that is not empty take its turn, behind the value at p of the one that had it.
func (m *MPMC[T]) rotate(turn uint32, p uint64) {
	lanes := uint32(len(m.lanes))
	for k := uint32(1); k < lanes; k++ {
		i := (turn + k) % lanes
		l := &m.lanes[i]
		front := m.front(l)
		if l.slots[front&m.mask].sequence.Load() != front+1 {
			continue
		}
		w := l.head.Load()
		held := w>>headState&stateMask != stateLocked && !m.here.hold.Load().holds(uint64(i), w)
		if held && p%heldEvery != 0 || l.alone.stuck.Swap(front) != front {
			continue
		}
		if held {
			if ok, err := m.unseat(l, polling); !ok || err != nil {
				continue // who pops from it hears of what is wrong
			}
		}
		m.here.turn.Store(i)
		return
	}
}
