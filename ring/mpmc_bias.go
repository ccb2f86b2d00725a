package ring

import (
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// A lane's lock is an owner, or nobody, and there is nothing to be repaired behind a dead one but tail and limit,
// which follow from the slots. A lane to which one goroutine has pushed for a while has a bias to it: that one
// pushes without a locked instruction. It announces each push in a mark of its process's seat, by a plain store, and
// then looks whether the lane still has the bias; when it is through, it takes the mark back by a plain store.
// Whoever else wants the lane locks it, executes a fence on all CPUs (futex.Barrier), and
// then looks at the mark. Either the one sees that the bias was revoked, or the other sees the mark, and gives the lane
// up again.
//
//	lock                     to               who
//	0                        owner            who pushes, or wants some of the lane's quota
//	owner                    0                the same
//	0                        owner*biased     the owner, which has pushed there often
//	owner*biased             owner            the one that has the bias, when it needs more than a push
//	owner*biased             other*revoked    who else wants the lane, and then executes the fence
//	other*revoked            other            the same, if the mark is not set: reckons the tail anew
//	other*revoked            owner*drained    the same, if it is
//	owner*drained            other*revoked    who else wants the lane, and has seen the mark not set; needs no fence
//	dead other*revoked       another*revoked  the next who wants it, after proof of death; then executes the fence
//	dead owner, any other    owner            the next who wants it, after proof of death: reckons the tail anew
//
// (*) with the seat, and the number of the mark in it. A lane that is revoked is locked by the one that it names, so
// that all that is learned of the mark is of this revocation: the words of a bias come again, when the same goroutine earns it
// again, and a swap of one who had looked at the mark before would succeed. While the mark is set, a lane that is
// drained is locked, as far as others are concerned, by one that may be stopped. The biased state is owed to nobody: to be drained and never locked costs
// its owner a push through the lock.
//
// The mark is that of a stack (internal/bias).
const (
	lockState = segment.FlagShift
	lockSeat  = lockState + 2
	lockMark  = lockSeat + 6

	stateLocked  = 0
	stateBiased  = 1
	stateRevoked = 2
	stateDrained = 3
	stateMask    = 3
	lockSeatMask = 1<<6 - 1
)

// grant is what a goroutine must know that has a bias. It never changes.
type grant struct {
	_     [segment.Line]byte // what else is in its lines is written by others
	stack uintptr            // on which it runs
	lane  int                // that has the bias
	state *lane              // of that lane
	slots begin              // the same
	word  uint64             // its lock as long as it has the bias
	mark  *word.Uint64       // set during a push
	since uint64             // the lane's tail when it was granted
	_     [segment.Line - 56]byte
}

// mine reports whether the caller runs on that stack. That this asks for it, and no generic function, has the compiler carry the
// body of Stack to whatever package has a ring of a type of its own: it takes along what it has inlined here.
func (b *grant) mine() bool { return b.stack == bias.Stack() }

// run is how many values in a row were pushed to a lane through the lock, one by one, from one stack.
type run struct {
	stack  uintptr
	next   uint64 // the lane's tail, if nobody else has pushed
	values uint64
}

// origin is how a goroutine comes to push through the lock.
type origin int

const (
	anew    origin = iota
	holding        // it had the bias, and has locked the lane
	regains        // the same, and has unlocked it, because there was no room
)

// count takes note of a push through the lock, and reports whether it has earned the bias. The lane is locked.
func (r *run) count(at uint64, stack uintptr, from origin, earns uint64) bool {
	if r.stack != stack || r.next != at {
		r.stack, r.values = stack, 0
	}
	r.next = at + 1
	r.values++
	if from != anew {
		return true
	}
	if r.values < earns {
		return false
	}
	r.values = 0
	return true
}

// grant gives l, which is not locked, a bias to the stack, if this process can have one.
func (m *MPMC[T]) grant(l *track[T], stack uintptr) {
	if !bias.Inlined || !m.plain() || !m.here.mu.TryLock() {
		return
	}
	seat := m.here.seat.Load()
	if seat == 0 && !m.here.full.Load() {
		tag, own, err := m.sitDown(polling)
		if err == nil && tag != 0 && !own {
			m.seats[tag-1].owner.Store(0)
			m.lookAtCrowd()
		}
		seat = m.here.seat.Load()
	}
	b := m.biasFor(l, stack, uint64(seat))
	m.here.mu.Unlock()
	if b == nil || !l.lock.CompareAndSwap(0, b.word) {
		return
	}
	b.since = l.tail.Load()
	if m.here.way.Load() == uint32(b.lane) {
		m.here.bias.Store(b)
	} else {
		l.lock.CompareAndSwap(b.word, 0) // if that fails, somebody revokes it
	}
	m.lookAtCrowd()
}

// biasFor is that bias, nil if there can be none. The caller has m.here.mu.
func (m *MPMC[T]) biasFor(l *track[T], stack uintptr, seat uint64) *grant {
	self := m.self.Load()
	if seat == 0 || self == 0 {
		return nil
	}
	for _, b := range m.here.grants {
		if b.stack == stack && b.lane == int(l.takes) {
			return b
		}
	}
	mark, ok := m.here.number(stack)
	if !ok {
		return nil
	}
	b := &grant{
		stack: stack, lane: int(l.takes), state: l.lane, slots: beginOf(l.slots), mark: &m.seats[seat-1].marks[mark],
		word: self | stateBiased<<lockState | seat<<lockSeat | uint64(mark)<<lockMark,
	}
	m.here.grants = append(m.here.grants, b)
	return b
}

// number is which of the marks and claims of its seat are the stack's, which they stay. The caller has mu.
func (p *presence) number(stack uintptr) (n int, ok bool) {
	if n = slices.Index(p.stacks, stack); n >= 0 {
		return n, true
	}
	if n = len(p.stacks); n == maxMarks {
		return 0, false
	}
	p.stacks = append(p.stacks, stack)
	return n, true
}

// claim locks a lane that has its bias to the stack of the caller, and whose lock was w. Whoever calls is not in the
// middle of a push.
func (m *MPMC[T]) claim(l *track[T], w uint64) bool {
	b := m.here.bias.Load()
	return b != nil && b.word == w && b.mine() && l.lock.CompareAndSwap(w, m.self.Load())
}

// revoke takes a lane's bias away from whoever has it, and locks the lane. It reports false if somebody else has it
// locked, or the one that had the bias is in the middle of a push.
func (m *MPMC[T]) revoke(l *track[T]) (bool, error) {
	w := l.lock.Load()
	switch w >> lockState & stateMask {
	case stateDrained:
		// A look before the swap, or those who find the mark set would keep each other from sleep.
		s, mark, err := markOf(m.seats, w)
		if err != nil || mark.Load() != 0 && s.owner.Load() == uint64(segment.OwnerOf(w)) {
			return false, l.wrap(err)
		}
		return m.drain(l, w)
	case stateBiased:
		return m.drain(l, w)
	}
	return false, nil
}

// drain locks a lane whose lock was w, which names a mark, and keeps it if the mark is not set. What is learned of the
// mark is worth something only behind the swap, and nobody else changes the lock meanwhile.
func (m *MPMC[T]) drain(l *track[T], w uint64) (bool, error) {
	s, mark, err := markOf(m.seats, w)
	if err != nil {
		return false, l.wrap(err)
	}
	self, names := m.self.Load(), w>>lockSeat<<lockSeat
	if self == 0 {
		return false, ErrClosed
	}
	if !l.lock.CompareAndSwap(w, names|stateRevoked<<lockState|self) {
		return false, nil
	}
	if w>>lockState&stateMask != stateDrained {
		bias.Fence()
	}
	if mark.Load() != 0 {
		// If the seat is another's by now, or nobody's, the one that had the bias is dead, and that one cleared the mark, or is about to.
		// (Of a lock that was revoked already, the word does not say who had it.)
		o := segment.OwnerOf(s.owner.Load())
		if o != 0 && (w>>lockState&stateMask == stateRevoked || o == segment.OwnerOf(w)) {
			l.lock.Store(names | stateDrained<<lockState | uint64(o))
			m.lookAtCrowd()
			return false, nil
		}
	}
	l.lock.Store(self)
	m.inherit(l)
	return true, nil
}

// wrap says of which lane err is.
func (l *track[T]) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lane %d: %w", l.takes, err)
}

// mayPush reports whether a goroutine of this process may be pushing to a lane with a bias that another process takes
// away, and the lane's lock is w.
func (m *MPMC[T]) mayPush(w uint64) bool {
	if w>>lockState&stateMask != stateRevoked || w>>lockSeat&lockSeatMask != uint64(m.here.seat.Load()) {
		return false
	}
	_, mark, err := markOf(m.seats, w)
	if err != nil {
		return false // who locks says so
	}
	bias.Fence() // the other may be stopped before its own
	return mark.Load() != 0
}

// pushing reports whether the mark is set that a lane's lock names; or whether the one that has the bias
// is dead and has lost even its seat, and the mark with it.
func pushing(seats []seat, w uint64) (bool, error) {
	s, mark, err := markOf(seats, w)
	if err != nil {
		return false, err
	}
	set := mark.Load() != 0
	return set || s.owner.Load() != uint64(segment.OwnerOf(w)), nil // in this order: see (*MPMC).reckon
}

// markOf is the mark that a lane's lock names, and its seat.
func markOf(seats []seat, w uint64) (*seat, *word.Uint64, error) {
	seat, mark := w>>lockSeat&lockSeatMask, w>>lockMark
	if seat-1 >= uint64(len(seats)) || mark >= maxMarks {
		return nil, nil, fmt.Errorf("lock %#x names mark %d of seat %d: %w", w, mark, seat, ErrCorrupt)
	}
	s := &seats[seat-1]
	return s, &s.marks[mark], nil
}
