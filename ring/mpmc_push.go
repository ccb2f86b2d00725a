package ring

import (
	"context"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Who pushes has a lane locked, or its bias (mpmc_bias.go), writes the value into the slot at its tail, and then the
// slot's sequence, which commits the push.
//
//	sequence of the slot of position p (n slots)
//	0 or p+1-n       p+1         who has the lane, at position p = tail: the push is committed

// Push appends v. It blocks while the ring is full. Errors: ErrClosed, ErrCorrupt, and the context's.
func (m *MPMC[T]) Push(ctx context.Context, v T) error {
	b := m.here.bias.Load()
	if !bias.Enabled || b == nil || !b.mine() {
		return m.pushUnbiased(ctx, v)
	}
	// Nothing is called until the mark is taken back, and nothing comes behind a call: so all stays in registers. This is counted in
	// instructions, and in stores, of which those that wait for a line hold up the next: so all that is looked at is loaded before it is judged, and by few steps.
	lane := b.state
	futex.Publish(b.mark, 1) // pairs with the barrier in revoke
	at, lock, limit, closed := lane.tail.Load(), lane.lock.Load(), lane.limit.Load(), m.hall.closed.Load()
	if lock != b.word || at >= limit || closed != 0 {
		futex.Publish(b.mark, 0)
		return m.pushUnbiased(ctx, v)
	}
	s := slotAt[T](b.slots, at&m.mask)
	s.value = v
	futex.Publish(&s.sequence, at+1) // as in put
	futex.Publish(&lane.tail, at+1)
	futex.Publish(b.mark, 0)
	hall := m.hall
	idle, crowd, quotas := hall.items.Idle(), hall.crowd.Load(), hall.quotas.Load()
	if idle && crowd == 0 && quotas != 0 && at&m.between != 0 { // m, whose mapping it keeps until here, is read behind the last look at the segment
		return nil
	}
	return m.pushed(b, at)
}

// put writes v, and commits it. The lane is the caller's.
func (l *track[T]) put(at, mask uint64, v T) {
	s := &l.slots[at&mask]
	s.value = v
	futex.Publish(&s.sequence, at+1) // pairs with the load in (*MPMC).Pop
	futex.Publish(&l.tail, at+1)
}

// pushed is what may have to be done behind a push with a bias.
func (m *MPMC[T]) pushed(b *grant, at uint64) error {
	if !m.items.Event().Idle() {
		m.wake(m.items)
	}
	if at%owned == 0 && at > m.mask {
		m.own()
	}
	m.lookAtCrowd() // behind each mark
	if m.cut() {
		return m.lostPush()
	}
	if i := (at + soon) & m.mask; at%fetches == 0 && i+fetches <= m.mask+1 && at+soon+fetches <= b.state.limit.Load() {
		fetch(m.lanes[b.lane].slots[i : i+fetches])
	}
	runtime.KeepAlive(m)
	return nil
}

// own has the lines of the next slots owned that are free, if this goroutine has a bias, and the lane was full once. It stretches no
// stack, as stretch does not.
//
//go:nosplit
//go:noinline
func (m *MPMC[T]) own() {
	b := m.here.bias.Load()
	if !bias.Enabled || b == nil || !b.mine() {
		return
	}
	l := &m.lanes[b.lane]
	futex.Publish(b.mark, 1) // as in Push
	if at := l.tail.Load(); l.lock.Load() == b.word && at > m.mask && at+owned <= l.limit.Load() {
		if i := at & m.mask; i+owned <= uint64(len(l.slots)) {
			own(l.slots[i:i+owned], at-m.mask)
		}
	}
	futex.Publish(b.mark, 0)
}

// pushUnbiased is Push for who has no bias, or has lost it, or finds no room below the limit.
func (m *MPMC[T]) pushUnbiased(ctx context.Context, v T) error {
	from, way := anew, m.here.way.Load()
	if b := m.here.bias.Load(); bias.Enabled && b != nil && b.mine() {
		// Nothing is called until the mark is taken back, but stretch.
		l := &m.lanes[b.lane]
		futex.Publish(b.mark, 1) // as in Push
		if l.lock.Load() == b.word {
			at := l.tail.Load()
			if m.hall.closed.Load() == 0 && (at < l.limit.Load() || m.stretch(l, at)) {
				l.put(at, m.mask, v)
				futex.Publish(b.mark, 0)
				return m.pushed(b, at)
			}
			if l.lock.CompareAndSwap(b.word, uint64(segment.OwnerOf(b.word))) {
				from, way = holding, uint32(b.lane)
			}
		}
		b.mark.Store(0)
		if from == anew {
			l.lockPrice.Revoked(l.tail.Load() - b.since)
			m.here.bias.CompareAndSwap(b, nil)
		}
	}
	if done, err := m.pushLocked(v, way, bias.Stack(), from); done {
		return err
	}
	return m.pushSlow(ctx, v, bias.Stack(), from)
}

// stretch moves the limit of a lane whose tail is at, as far as its quota goes, and reports whether there is
// room now. It leaves alone what looks wrong.
//
//go:nosplit
//go:noinline
func (m *MPMC[T]) stretch(l *track[T], at uint64) bool {
	head := m.front(l)
	limit := head + m.hall.quotas.Load()>>(l.takes*m.width)&(1<<m.width-1)
	if at-head > m.mask || at >= limit || limit-head > m.capacity || limit > maxEnd {
		return false
	}
	futex.Publish(&l.limit, limit)
	return true
}

// pushLocked is Push through the lock, if it can be had and there is room.
func (m *MPMC[T]) pushLocked(v T, way uint32, stack uintptr, from origin) (done bool, err error) {
	if way >= uint32(len(m.lanes)) {
		return false, nil
	}
	l, self := &m.lanes[way], m.self.Load()
	if from != holding && (self == 0 || !l.lock.CompareAndSwap(0, self)) {
		return false, nil
	}
	at := l.tail.Load()
	if at >= l.limit.Load() && !(bias.Enabled && m.stretch(l, at)) || m.hall.closed.Load() != 0 || m.here.way.Load() != way {
		m.unlock(l.lane)
		return false, nil
	}
	if race.Enabled {
		m.race.Release(m.raceItem(l, at&m.mask))
	}
	l.put(at, m.mask, v)
	earned := bias.Enabled && l.run.count(at, stack, from, l.lockPrice.Is())
	futex.Publish(&l.lock, 0)
	if !m.items.Event().Idle() {
		m.wake(m.items)
	}
	if m.hall.crowd.Load() != 0 {
		m.disperse()
	}
	if m.cut() {
		return true, m.lostPush()
	}
	if earned {
		m.grant(l, stack)
	}
	runtime.KeepAlive(m)
	return true, nil
}

// lostPush reports that the segment was closed under a push, which may have come too late.
func (m *MPMC[T]) lostPush() error { return m.wrap("push to", m.seg.Writable()) }

// pushSlow is Push where it did not go at once.
func (m *MPMC[T]) pushSlow(ctx context.Context, v T, stack uintptr, from origin) error {
	m.lookAtCrowd() // behind a mark
	if from == holding {
		from = regains
	}
	for range tryAgain {
		way := m.here.way.Load()
		if !m.glanceAtRoom(way) {
			break
		}
		if done, err := m.pushLocked(v, way, stack, from); done {
			return err
		}
	}
	vs := [1]T{v}
	n, _, err := m.push(vs[:], polling)
	if n == 0 && err == nil {
		err = m.pushLate(ctx, v)
	} else {
		err = m.wrap("push to", err)
	}
	if way := m.here.way.Load(); err == nil && from == regains && way < uint32(len(m.lanes)) {
		m.grant(&m.lanes[way], stack)
	}
	return err
}

// pushLate is Push that is going to wait. What it waits with is on the heap.
//
//go:noinline
func (m *MPMC[T]) pushLate(ctx context.Context, v T) error {
	vs := [1]T{v}
	_, err := m.PushN(ctx, vs[:])
	return err
}

// A glance at room is as polite as one at values: who pops needs his swap's line for himself. What he makes room for
// between two looks is worth the look, but no more than a part of a small ring.
const (
	roomPolls  = 4
	roomPauses = 64
)

// glanceAtRoom polls the head of the lane that Push pushes to, if all are full, and reports
// whether there is room now.
func (m *MPMC[T]) glanceAtRoom(way uint32) bool {
	if way >= uint32(len(m.lanes)) || !futex.ManyCPUs() {
		return false
	}
	for i := range m.lanes {
		if m.left(&m.lanes[i]) != 0 {
			return false // that is not what stands in the way
		}
	}
	pauses := min(max(m.capacity/roomPauses, 1), roomPauses)
	for range roomPolls {
		for range pauses {
			futex.Pause()
		}
		if m.left(&m.lanes[way]) != 0 {
			return true
		}
	}
	return false
}

// TryPush appends v if there is room, and reports whether it did. It never blocks: it reports false, too, if
// all that is left is room in lanes to which others are pushing at that moment. (Where the system has no membarrier for this
// process, and others of its machine have, it may sleep for a millisecond to take a lane from them.)
func (m *MPMC[T]) TryPush(v T) (bool, error) {
	vs := [1]T{v}
	n, err := m.TryPushN(vs[:])
	return n == 1, err
}

// tryAgain is how often a call looks again when others are at work, before it says that they stand in its way: they need not
// mean well.
const tryAgain = 256

// TryPushN appends as many of the values as there is room for, and returns how many these were. It never
// blocks; see TryPush.
func (m *MPMC[T]) TryPushN(vs []T) (int, error) {
	pushed := 0
	for again := 0; pushed < len(vs) && again < tryAgain; {
		n, busy, err := m.push(vs[pushed:], asking)
		pushed += n
		if err != nil {
			return pushed, m.wrap("push to", err)
		}
		if n > 0 {
			continue
		}
		if !busy {
			break
		}
		again++
		yield(again)
	}
	return pushed, nil
}

// yield lets others go on who are at work for a moment.
func yield(again int) {
	if again%16 == 0 {
		runtime.Gosched()
	}
	futex.Pause()
}

// PushN appends the values in their order, and blocks while there is no room for the next. It returns how
// many it pushed, which is all unless there is an error. Values of others may come between them.
func (m *MPMC[T]) PushN(ctx context.Context, vs []T) (int, error) {
	pushed := 0
	for pushed < len(vs) {
		n, _, err := m.push(vs[pushed:], polling)
		if n == 0 && err == nil && ctx.Err() != nil {
			if n, err := m.TryPushN(vs[pushed:]); n > 0 || err != nil {
				if pushed += n; err != nil {
					return pushed, err
				}
				continue // room comes before the context's end
			}
		}
		if n == 0 && err == nil {
			n, err = m.pushWait(ctx, vs[pushed:])
		}
		pushed += n
		if err != nil {
			return pushed, m.wrap("push to", err)
		}
	}
	return pushed, nil
}

// pushWait pushes some of the values, as soon as it can.
func (m *MPMC[T]) pushWait(ctx context.Context, vs []T) (n int, err error) {
	var busy, slept bool
	try := func(how manner) bool {
		if slept {
			m.hall.eager.Store(1) // pairs with the load in made
		} else {
			how = polling // the first sleep ends soon by itself: nobody is told of it, who would else wake all for each value
		}
		n, busy, err = m.push(vs, how)
		if busy && how == sleeping {
			n, _, err = m.push(vs, again(slept)) // who was in the way may have unlocked before crowd was set
		}
		return n > 0 || err != nil
	}
	waited := m.room.Wait(ctx, segment.Wait{
		Try:        func() bool { return try(sleeping) },
		Poll:       func() bool { return try(polling) },
		Peer:       m.obstacle,
		Recover:    func(segment.Owner) bool { return false }, // the next try inherits
		Slept:      func() { slept = true },
		Impatient:  true,
		Asymmetric: futex.Owing,
		Passed:     m.passed,
	})
	if waited != nil {
		return 0, waited
	}
	return n, err
}

// obstacle is who has locked the lane that this process pushes to.
func (m *MPMC[T]) obstacle() segment.Owner {
	return m.others(&m.lanes[m.here.way.Load()&wayLane].lock)
}

func (m *MPMC[T]) others(lock *word.Uint64) segment.Owner {
	if o := segment.OwnerOf(lock.Load()); o != m.seg.Self() {
		return o
	}
	return 0
}

// maxHold is how many values are pushed under a lock at most, so that nobody holds one for long.
const maxHold = 64

// push pushes the first of the values, as many as there is room for. It reports whether others stood in the
// way if it pushed none.
func (m *MPMC[T]) push(vs []T, how manner) (n int, busy bool, err error) {
	if len(vs) == 0 {
		return 0, false, nil
	}
	plain := m.plain()
	for again := 0; ; again++ {
		if again == tryAgain {
			m.busy(how)
			return 0, true, nil
		}
		if err := m.seg.Writable(); err != nil {
			return 0, false, err
		}
		if m.isClosed() {
			return 0, false, ErrClosed
		}
		way := m.here.way.Load()
		if way&wayOldMask != 0 {
			ok, err := m.arrive(way, how)
			if err != nil {
				return 0, false, err
			}
			if ok {
				continue
			}
			m.busy(how)
			return 0, true, nil
		}
		l := &m.lanes[way&wayLane]
		var ok bool
		if ok, err = m.lock(l, how); err == nil && !ok {
			if m.swerve(way, l) {
				continue
			}
			ok, err = m.revoke(l)
		}
		if err != nil {
			return 0, false, err
		}
		if !ok {
			m.busy(how)
			return 0, true, nil
		}
		if m.here.way.Load() != way { // another goroutine has left this lane
			m.unlock(l.lane)
			continue
		}
		if m.isClosed() {
			m.unlock(l.lane)
			return 0, false, ErrClosed
		}
		n, busy, err = m.fill(l, vs, plain, how)
		m.unlock(l.lane)
		break
	}
	if n > 0 && !m.items.Event().Idle() {
		m.wake(m.items)
	}
	if busy && n == 0 {
		m.busy(how)
	}
	if err == nil && m.cut() {
		err = m.seg.Writable()
	}
	return n, busy, err
}

// isClosed reports whether the ring was closed.
func (m *MPMC[T]) isClosed() bool {
	closed := m.hall.closed.Load() != 0
	if race.Enabled && closed {
		m.race.Acquire(raceClosed)
	}
	return closed
}

// lock locks the lane if nobody who lives has it locked, and no other goroutine its bias.
func (m *MPMC[T]) lock(l *track[T], how manner) (bool, error) {
	self := m.self.Load()
	if self == 0 {
		return false, ErrClosed
	}
	for range tryAgain {
		if l.lock.CompareAndSwap(0, self) {
			return true, nil
		}
		w := l.lock.Load()
		if w == 0 {
			continue
		}
		o := segment.OwnerOf(w)
		if o == 0 || uint64(o) != w && w>>lockState&stateMask == stateLocked {
			return false, fmt.Errorf("lane %d locked by %#x: %w", l.takes, w, ErrCorrupt)
		}
		if m.claim(l, w) {
			return true, nil
		}
		if uint64(o) == self || !m.gone(o, how) {
			return false, nil
		}
		if w>>lockState&stateMask == stateRevoked {
			return m.drain(l, w) // whoever had the bias may live
		}
		if l.lock.CompareAndSwap(w, self) {
			m.inherit(l)
			return true, nil
		}
	}
	return false, nil
}

// inherit has the tail of a lane that is locked, and was another's, where its last value says.
func (m *MPMC[T]) inherit(l *track[T]) {
	tail := l.written(m.front(l))
	l.limit.Store(tail)
	l.tail.Store(tail)
}

// unlock pairs with the swap of the next who locks. It does not fence: whoever sleeps has seen to that.
func (m *MPMC[T]) unlock(l *lane) {
	if m.here.way.Load()&wayFenced != 0 {
		l.lock.Store(0)
	} else {
		futex.Publish(&l.lock, 0)
	}
	m.lookAtCrowd()
}

// fill pushes to a lane that is locked.
func (m *MPMC[T]) fill(l *track[T], vs []T, plain bool, how manner) (n int, busy bool, err error) {
	at, limit := l.tail.Load(), l.limit.Load()
	if at >= limit {
		if limit, busy, err = m.refill(l, at, how); at >= limit {
			return 0, busy, err
		}
	}
	if limit-at > m.capacity {
		return 0, false, fmt.Errorf("lane %d at %d may push up to %d: %w", l.takes, at, limit, ErrCorrupt)
	}
	vs = vs[:min(uint64(len(vs)), limit-at, maxHold)]
	for _, v := range vs {
		i := at & m.mask
		s := &l.slots[i]
		s.value = v
		if race.Enabled {
			m.race.Release(m.raceItem(l, i))
		}
		at++
		if plain {
			futex.Publish(&s.sequence, at)
		} else {
			s.sequence.Store(at)
		}
	}
	l.tail.Store(at)
	return len(vs), false, nil
}

// swerve has this process push to another lane than l, which another process has locked. Before anything is
// pushed there, l must be empty: what was pushed first is popped first.
func (m *MPMC[T]) swerve(way uint32, l *track[T]) bool {
	if m.others(&l.lock) == 0 {
		return false
	}
	for k := 1; k < len(m.lanes); k++ {
		to := (l.takes + uint64(k)) % uint64(len(m.lanes))
		if m.lanes[to].lock.Load() == 0 {
			return m.here.way.CompareAndSwap(way, way&^wayLane|uint32(to)|uint32(l.takes+1)<<wayOld)
		}
	}
	return false
}

// arrive ends a change of lanes, if it can: it goes on to the new one if nothing is left in the old one, and
// back if that is locked no more, for which it revokes a bias.
func (m *MPMC[T]) arrive(way uint32, how manner) (bool, error) {
	l := &m.lanes[way>>wayOld&0xff-1]
	lock := l.lock.Load()
	to := way &^ wayOldMask
	switch {
	case lock == 0 || lock>>lockState != stateLocked && uint64(segment.OwnerOf(lock)) == m.self.Load():
		to = to&^wayLane | uint32(l.takes)
	case m.mayPush(lock):
		return false, nil
	case lock == m.self.Load() || !m.empty(l):
		// A goroutine of this process may be about to push there, or has done so.
		ok, err := m.revoke(l)
		if err != nil {
			return false, err
		}
		if ok {
			m.unlock(l.lane)
		} else if !m.gone(segment.OwnerOf(lock), how) {
			return false, nil
		}
		to = to&^wayLane | uint32(l.takes)
	}
	return m.here.way.CompareAndSwap(way, to), nil
}

// empty reports whether nothing was in the lane at the moment of the last load.
func (m *MPMC[T]) empty(l *track[T]) bool {
	p := m.front(l)
	return l.slots[p&m.mask].sequence.Load() != p+1 && m.front(l) == p
}

// What the race detector is told of: the lanes' heads, and the slots, counted in words from the hall on.
func (m *MPMC[T]) raceHead(l *track[T]) uint64 {
	return hallSize/8 + l.takes*laneSize/8 + segment.Line/8
}

func (m *MPMC[T]) raceItem(l *track[T], i uint64) uint64 {
	return (hallSize+maxLanes*laneSize)/8 + l.takes*(m.mask+1) + i
}
