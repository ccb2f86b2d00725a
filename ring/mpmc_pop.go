package ring

import (
	"context"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Who pops copies the values that stand at a lane's head, and then swaps the head for a later one, which
// commits the pop. If somebody else was quicker, the swap fails, and the copies are worth nothing. There is no
// state in between, so nobody waits for one who pops, dead or stopped.
//
// The head says who took last, and each seat how far its last take from each lane got, so that what a dead
// process had taken and not returned is known. A process has at most one take under way in a lane, because
// whoever takes next makes sure first that the last take is not forgotten:
//
//	take of a seat     to         who
//	anything else      done       the owner, right before it returns the values
//	done               open       who is about to swap the head that names this take, unless it is done
//	open               fold       who has the seat behind a dead owner: has reckoned what lost will be
//	fold               done       the same, or the next, if that one died: has stored lost
//
// Only the owner stores without a swap. If another's swap to open comes first, done overwrites it.

// Pop takes a value: of those that one process pushed, the oldest. It blocks while the ring is empty.
// Errors: ErrClosed when the ring is closed and all is popped, ErrCorrupt, and the context's.
func (m *MPMC[T]) Pop(ctx context.Context) (T, error) {
	tag, turn := uint64(m.here.quick.Load()), m.here.turn.Load()
	if tag-1 >= uint64(len(m.seats)) || turn >= uint32(len(m.lanes)) {
		return m.popSlow(ctx)
	}
	l := &m.lanes[turn]
	head := l.head.Load()
	p := head >> endShift
	i := p & m.mask
	s := &l.slots[i]
	take := &m.seats[tag-1].takes[turn%maxLanes]
	if s.sequence.Load() != p+1 || take.Load() != head-tag+takeDone { // pairs with the publish in (*MPMC).Push
		return m.popSlow(ctx)
	}
	v := s.value
	next := (p+1)<<endShift | tag
	if race.Enabled {
		m.race.Release(m.raceHead(l))
	}
	if !l.head.CompareAndSwap(head, next) { // commits the pop
		return m.popSlow(ctx)
	}
	if race.Enabled {
		m.race.Acquire(m.raceItem(l, i))
	}
	futex.Publish(take, next-tag+takeDone)
	if p%turnEvery == 0 {
		m.rotate(turn)
	}
	if !m.room.Event().Idle() {
		m.wake(m.room)
	}
	if m.hall.crowd.Load() != 0 {
		m.disperse()
	}
	if m.cut() {
		return m.lostPop()
	}
	runtime.KeepAlive(m)
	return v, nil
}

// lostPop reports that the segment was closed under a pop, whose value may be Close's zeros.
func (m *MPMC[T]) lostPop() (none T, err error) { return none, m.wrap("pop from", m.seg.Writable()) }

func (m *MPMC[T]) popSlow(ctx context.Context) (v T, err error) {
	if m.glance() {
		return m.Pop(ctx)
	}
	var vs [1]T
	_, err = m.popN(ctx, vs[:])
	return vs[0], err
}

// A glance of one who pops is polite: it gives who pushes the time for some dozen values between two looks.
// His swaps wait for his stores, and these for the line, so whoever keeps taking it from him has it for one value
// at a time, which costs both of them a multiple.
const (
	politePolls  = 12
	politePauses = 16
)

// glance polls the slot that Pop takes from next, and reports whether there is something now.
func (m *MPMC[T]) glance() bool {
	turn := m.here.turn.Load()
	if m.here.quick.Load() == 0 || turn >= uint32(len(m.lanes)) || !futex.ManyCPUs() {
		return false
	}
	l := &m.lanes[turn]
	p := l.head.Load() >> endShift
	sequence := &l.slots[p&m.mask].sequence
	if sequence.Load() == p+1 {
		return false // that is not what stands in the way
	}
	for range politePolls {
		for range politePauses {
			futex.Pause()
		}
		if sequence.Load() == p+1 {
			return true
		}
	}
	return false
}

// TryPop takes a value if there is one, and reports whether there was. It never blocks. Where it reports that
// there was none, there was a moment during the call at which the ring was empty, unless goroutines of this
// process kept each other from it.
func (m *MPMC[T]) TryPop() (T, bool, error) {
	var vs [1]T
	n, err := m.TryPopN(vs[:])
	return vs[0], n == 1, err
}

// TryPopN takes up to len(vs) values, and returns how many it took. It never blocks.
func (m *MPMC[T]) TryPopN(vs []T) (int, error) {
	popped := 0
	for again := 0; popped < len(vs) && again < tryAgain; {
		n, busy, err := m.pop(vs[popped:], asking)
		popped += n
		if err != nil && popped == 0 {
			return 0, m.wrap("pop from", err)
		}
		if n > 0 {
			continue
		}
		if !busy || err != nil {
			break
		}
		again++
		yield(again)
	}
	return popped, nil
}

// PopN takes up to len(vs) values, at least one: it blocks while the ring is empty, and not for more. It
// returns how many it took.
func (m *MPMC[T]) PopN(ctx context.Context, vs []T) (int, error) {
	if len(vs) == 0 {
		return 0, nil
	}
	return m.popN(ctx, vs)
}

func (m *MPMC[T]) popN(ctx context.Context, vs []T) (popped int, err error) {
	for popped < len(vs) {
		n, _, err := m.pop(vs[popped:], polling)
		if n == 0 && popped > 0 {
			break // what was taken is taken; the next call says what is wrong
		}
		if n == 0 && err == nil {
			n, err = m.popWait(ctx, vs)
		}
		if err != nil {
			return 0, m.wrap("pop from", err)
		}
		popped += n
	}
	return popped, nil
}

// popWait takes some values as soon as there are any.
func (m *MPMC[T]) popWait(ctx context.Context, vs []T) (n int, err error) {
	var busy bool
	try := func(how manner) bool {
		n, busy, err = m.pop(vs, how)
		if busy && how == sleeping {
			n, _, err = m.pop(vs, how) // who was in the way may be done since before crowd was set
		}
		return n > 0 || err != nil
	}
	waited := m.items.Wait(ctx, segment.Wait{
		Try:  func() bool { return try(sleeping) },
		Poll: func() bool { return try(polling) },
		Peer: func() segment.Owner {
			if m.isClosed() {
				for i := range m.lanes {
					if o := m.others(&m.lanes[i].lock); o != 0 {
						return o // who may push a last value
					}
				}
			}
			return 0
		},
		Recover:    func(segment.Owner) bool { return false }, // the next try inherits
		Asymmetric: futex.Owing,
	})
	if waited != nil {
		return 0, waited
	}
	return n, err
}

// pop takes the first values of a lane, up to len(vs) and maxTake of them. It reports whether others stood in
// the way if it took none.
func (m *MPMC[T]) pop(vs []T, how manner) (n int, busy bool, err error) {
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
	n, busy, err = m.scan(vs, tag, plain, how)
	if !own {
		m.seats[tag-1].owner.Store(0)
	}
	if n > 0 && !m.room.Event().Idle() {
		m.wake(m.room)
	}
	if m.hall.crowd.Load() != 0 && (n > 0 || !own) {
		m.disperse()
	}
	if busy {
		m.busy(how)
	}
	if err == nil && m.cut() {
		return 0, false, m.seg.Writable()
	}
	return n, busy, err
}

// scan takes from the first lane that has something. If none has, it looks at all of them twice, so that
// there was a moment in between at which all were empty.
func (m *MPMC[T]) scan(vs []T, tag uint64, plain bool, how manner) (n int, busy bool, err error) {
	lanes := uint32(len(m.lanes))
	for range tryAgain {
		var heads [maxLanes]uint64
		turn := m.here.turn.Load()
		for k := range lanes {
			i := (turn + k) % lanes
			n, head, mine, err := m.takeFrom(&m.lanes[i], vs, tag, plain)
			if n > 0 && k > 0 {
				m.here.turn.Store(i)
			}
			if n > 0 || err != nil {
				return n, false, err
			}
			busy = busy || mine
			heads[i] = head
		}
		switch {
		case busy:
			return 0, true, nil
		case !m.still(&heads):
			continue
		case !m.isClosed():
			return 0, false, nil
		}
		// A push that is under way may have begun before the ring was closed.
		if idle, err := m.idle(how); !idle || err != nil {
			return 0, err == nil, err
		}
		if m.still(&heads) {
			return 0, false, ErrClosed
		}
	}
	return 0, true, nil
}

// still reports whether all lanes are as empty as they were found, with these heads.
func (m *MPMC[T]) still(heads *[maxLanes]uint64) bool {
	for i := range m.lanes {
		l := &m.lanes[i]
		p := heads[i] >> endShift
		if l.slots[p&m.mask].sequence.Load() == p+1 || l.head.Load() != heads[i] {
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

// takeFrom takes the first values of a lane. If there are none, it returns the head with which it was empty,
// or that another goroutine with this seat is just taking some.
func (m *MPMC[T]) takeFrom(l *track[T], vs []T, tag uint64, plain bool) (n int, head uint64, busy bool, err error) {
	vs = vs[:min(len(vs), maxTake)]
	take := &m.seats[tag-1].takes[l.takes]
	for {
		head = l.head.Load()
		p := head >> endShift
		there := l.slots[p&m.mask].sequence.Load()
		if there != p+1 {
			if l.head.Load() != head {
				continue
			}
			before := uint64(0) // of the value that was there a lap ago
			if p > m.mask {
				before = p - m.mask
			}
			if there != before {
				return 0, head, false, fmt.Errorf("slot %d of lane %d has sequence %d at position %d: %w",
					p&m.mask, l.takes, there, p, ErrCorrupt)
			}
			return 0, head, false, nil
		}
		free, err := m.settle(l, head, tag, take.Load())
		if !free || err != nil {
			return 0, head, true, err
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
		return n, head, false, nil
	}
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
	return true, nil
}

// turnEvery is how many values are taken from a lane before others that have some get their turn.
const turnEvery = 64

// rotate has the next lane that is not empty take its turn.
func (m *MPMC[T]) rotate(turn uint32) {
	lanes := uint32(len(m.lanes))
	for k := uint32(1); k < lanes; k++ {
		i := (turn + k) % lanes
		l := &m.lanes[i]
		p := l.head.Load() >> endShift
		if l.slots[p&m.mask].sequence.Load() == p+1 {
			m.here.turn.Store(i)
			return
		}
	}
}
