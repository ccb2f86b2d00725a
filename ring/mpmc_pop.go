package ring

import (
	"context"
	"errors"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Who pops copies the values that stand at a lane's head, and then swaps the head for a later one, which
// commits the pop. If somebody else was quicker, the swap fails, and the copies are worth nothing. There is no
// state in between, so nobody waits for one who pops, dead or stopped. Who pops from a lane alone for a while
// does without the swap: see mpmc_hold.go.
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
	here := m.here
	h := here.hold.Load()
	if !bias.Enabled || h == nil || !h.mine() {
		return m.popUnbiased(ctx)
	}
	if turn := here.turn.Load(); turn != h.lane || h.head == 0 {
		return m.popUnbiased(ctx)
	}
	// Nothing is called until the claim is even again, and nothing comes behind a call: so all stays in registers. As in Push, what is
	// looked at is loaded first, and what leads there once.
	p := h.claim.Load() >> 1
	futex.Publish(h.claim, 2*p+1) // pairs with the barrier in unseat
	a := &m.lanes[h.lane].ahead
	i, vs, head := p-a.first, a.values, h.state.head.Load()
	if head != h.head || i >= uint64(len(vs)) {
		futex.Publish(h.claim, 2*p)
		return m.popUnbiased(ctx)
	}
	v := vs[i]
	futex.Publish(h.claim, 2*p+2) // commits the pop
	hall := m.hall
	idle, crowd, quotas := hall.room.Idle(), hall.crowd.Load(), hall.quotas.Load()
	if idle && crowd == 0 && quotas != 0 && p%turnEvery != 0 {
		runtime.KeepAlive(m)
		return v, nil
	}
	return m.popped(h.lane, p, v)
}

// popped is what may have to be done behind a pop with a bias.
func (m *MPMC[T]) popped(lane uint32, p uint64, v T) (T, error) {
	if !m.room.Event().Idle() {
		m.made(p)
	}
	m.lookAtCrowd()
	if m.cut() {
		return m.lostPop(v)
	}
	if p%turnEvery == 0 {
		m.rotate(lane, p)
	}
	runtime.KeepAlive(m)
	return v, nil
}

// popUnbiased is Pop for who has no bias, or has lost it, or has read nothing ahead.
func (m *MPMC[T]) popUnbiased(ctx context.Context) (T, error) {
	for {
		h := m.here.hold.Load()
		if bias.Enabled && h != nil && h.mine() && h.lane == m.here.turn.Load() {
			// Nothing is called until the claim is even again, but adopt and read.
			l, served := &m.lanes[h.lane], uint64(0)
			if h.head != 0 || m.adopt(l, h) {
				p := h.claim.Load() >> 1
				futex.Publish(h.claim, 2*p+1) // pairs with the barrier in unseat
				if l.head.Load() == h.head {
					s := &l.slots[p&m.mask]
					if s.sequence.Load() == p+1 { // pairs with the publish in (*MPMC).Push
						v := s.value
						l.ahead.read(l.slots[(p+1)&m.mask:], p+1)
						futex.Publish(h.claim, 2*p+2) // commits the pop
						return m.popped(h.lane, p, v)
					}
				} else {
					served = p - h.head>>endShift
					h.head = 0
				}
				futex.Publish(h.claim, 2*p)
			}
			if h.head == 0 {
				m.here.hold.CompareAndSwap(h, nil)
				l.headPrice.Revoked(served)
			}
			if m.hall.crowd.Load() != 0 {
				m.disperse()
			}
		}
		if v, err := m.popSwapped(ctx, bias.Stack()); err != errAgain {
			return v, err
		}
	}
}

// popSwapped is Pop by a swap of the head. It may ask for another look.
func (m *MPMC[T]) popSwapped(ctx context.Context, stack uintptr) (T, error) {
	tag, turn := uint64(m.here.quick.Load()), m.here.turn.Load()
	if tag-1 >= uint64(len(m.seats)) || turn >= uint32(len(m.lanes)) {
		return m.popSlow(ctx, stack)
	}
	l := &m.lanes[turn]
	head := l.head.Load()
	p := head >> endShift
	i := p & m.mask
	s := &l.slots[i]
	take := &m.seats[tag-1].takes[turn%maxLanes]
	if s.sequence.Load() != p+1 || take.Load() != head-tag+takeDone { // pairs with the publish in (*MPMC).Push
		return m.popSlow(ctx, stack)
	}
	v := s.value
	next := (p+1)<<endShift | tag
	if race.Enabled {
		m.race.Release(m.raceHead(l))
	}
	if !l.head.CompareAndSwap(head, next) { // commits the pop
		return m.popSlow(ctx, stack)
	}
	if race.Enabled {
		m.race.Acquire(m.raceItem(l, i))
	}
	futex.Publish(take, next-tag+takeDone)
	if !m.room.Event().Idle() {
		m.made(p)
	}
	if m.hall.crowd.Load() != 0 {
		m.disperse()
	}
	if m.cut() {
		return m.lostPop(v)
	}
	if p&aloneMask == 0 {
		m.pause(l, p, stack)
	}
	runtime.KeepAlive(m)
	return v, nil
}

// made wakes those who wait for room, behind the pop of the value at p. Whoever has just gone to sleep does so for a
// moment, and is woken when there is room for some: else it would be woken for each value.
func (m *MPMC[T]) made(p uint64) {
	if p&m.lazy != 0 && m.hall.eager.Load() == 0 {
		return
	}
	m.hall.eager.Store(0) // before the wake: whoever stores 1 behind that finds that the event has moved
	m.wake(m.room)
}

// lostPop reports that the segment was closed under a pop of v, which may be Close's zeros then.
func (m *MPMC[T]) lostPop(v T) (T, error) {
	if err := m.seg.Writable(); err != nil {
		var none T
		return none, m.wrap("pop from", err)
	}
	return v, nil // somebody has overwritten what would have said so
}

// pause is what a goroutine does now and then between two pops by swaps. It has popped the value at p.
func (m *MPMC[T]) pause(l *track[T], p uint64, stack uintptr) {
	if bias.Enabled && l.alone.count(p, stack, l.headPrice.Is()) {
		m.offer(l, stack)
	}
	if p%turnEvery == 0 {
		m.rotate(uint32(l.takes), p)
	}
}

// popSlow is Pop where there was nothing at once.
func (m *MPMC[T]) popSlow(ctx context.Context, stack uintptr) (v T, err error) {
	if m.glance() {
		return v, errAgain
	}
	h := m.here.hold.Load()
	if h != nil && h.stack != stack {
		h = nil
	}
	var vs [1]T
	n, _, err := m.pop(vs[:], h, polling)
	switch {
	case n == 0 && err == nil:
		return m.popLate(ctx, h)
	case err == errAgain:
		return v, err
	}
	return vs[0], m.wrap("pop from", err)
}

// popLate is Pop that is going to wait. What it waits with is on the heap.
//
//go:noinline
func (m *MPMC[T]) popLate(ctx context.Context, h *hold) (T, error) {
	var vs [1]T
	_, err := m.popN(ctx, vs[:], h)
	return vs[0], err
}

// errAgain has Pop look again: there may be something, perhaps in the lane whose head has the bias to the caller.
var errAgain = errors.New("look again")

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
	p := m.front(l)
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
// process kept each other from it, or one that is stopped in the middle of a pop keeps what is there. (It may sleep for a
// millisecond where TryPush may.)
func (m *MPMC[T]) TryPop() (T, bool, error) {
	var vs [1]T
	n, err := m.TryPopN(vs[:])
	return vs[0], n == 1, err
}

// TryPopN takes up to len(vs) values, and returns how many it took. It never blocks.
func (m *MPMC[T]) TryPopN(vs []T) (int, error) {
	popped := 0
	for again := 0; popped < len(vs) && again < tryAgain; {
		n, busy, err := m.pop(vs[popped:], nil, asking)
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
	return m.popN(ctx, vs, nil)
}

func (m *MPMC[T]) popN(ctx context.Context, vs []T, h *hold) (popped int, err error) {
	for popped < len(vs) {
		n, _, err := m.pop(vs[popped:], h, polling)
		if n == 0 && popped > 0 {
			break // what was taken is taken; the next call says what is wrong
		}
		if n == 0 && err == nil && ctx.Err() != nil {
			if n, err := m.TryPopN(vs); n > 0 || err != nil {
				return n, err // what there is comes before the context's end
			}
		}
		if n == 0 && err == nil {
			n, err = m.popWait(ctx, vs, h)
		}
		if err == errAgain {
			return 0, err
		}
		if err != nil {
			return 0, m.wrap("pop from", err)
		}
		popped += n
	}
	return popped, nil
}

// popWait takes some values as soon as there are any.
func (m *MPMC[T]) popWait(ctx context.Context, vs []T, h *hold) (n int, err error) {
	var busy, slept bool
	try := func(how manner) bool {
		n, busy, err = m.pop(vs, h, how)
		if busy && how == sleeping {
			n, _, err = m.pop(vs, h, again(slept)) // who was in the way may be done since before crowd was set
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
			return m.holder()
		},
		Recover:    func(segment.Owner) bool { return false }, // the next try inherits
		Slept:      func() { slept = true },
		Asymmetric: futex.Owing,
		Passed:     m.passed,
	})
	if waited != nil {
		return 0, waited
	}
	return n, err
}
