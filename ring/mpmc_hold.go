package ring

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// A lane's head can have a bias, as its lock can (mpmc_bias.go): the goroutine that has popped from a lane for a while,
// with nobody else in between, pops there without a locked instruction. How far it is then stands in a claim of its
// process's seat and not in the head. It announces each pop by a plain store to the claim, looks whether the head still
// has the bias, copies the value, and commits by another plain store. Who dies in between has taken nothing.
//
//	claim                    to               who
//	2p                       2p+1             whoever runs on its stack, before the look at the head
//	2p+1                     2p+2             the same, behind the copy: has popped the value at p
//	2p+1                     2p               the same: there was nothing, or the bias is gone
//
// Whoever else wants a value that is there takes the bias away as that of a lock. While the claim is odd the values
// of the lane are kept, by one that may be stopped.
//
//	head                              to                        who
//	(p, n, seat), own take, done      p, biased*                who has popped there alone
//	biased*                           revoked*                  who else wants a value
//	revoked*                          drained*                  the same, behind the fence
//	drained*                          the claim's p, nobody     the same, if the claim is even or its owner dead
//	dead owner, in any state          the claim's p, nobody     who needs the seat, after proof of death
//
// (*) with the seat, and the number of the claim in it. Above them stays the position at which the bias was got, so that no
// word comes twice: between two biases somebody has popped by a swap.
const (
	headState    = 6
	headClaim    = 8
	headSeatMask = 1<<headState - 1
)

// hold is what a goroutine must know that has the bias of a lane's head.
type hold struct {
	_     [segment.Line]byte // what else is in its lines is written by others
	stack uintptr            // on which it runs
	lane  uint32
	state *lane        // of that lane
	base  uint64       // the lower bits of the head as long as it has the bias
	head  uint64       // all of them, 0: it has none. It belongs to whoever runs on the stack
	claim *word.Uint64 // the same
	_     [segment.Line - 48]byte
}

// mine is as that of a grant.
func (h *hold) mine() bool { return h.stack == bias.Stack() }

// alone is since when nobody but one stack of this process has popped from a lane, as far as it was seen.
type alone struct {
	stack atomic.Uintptr
	since atomic.Uint64
	stuck atomic.Uint64 // where the lane was when somebody thought of going there
}

// aloneMask has the bits of a position that are zero when a goroutine looks whether it has earned a bias, and whose
// turn it is. Tests have none.
var aloneMask uint64 = turnEvery - 1

// count takes note that the stack has popped the value at p, and reports whether it has earned the bias.
func (a *alone) count(p uint64, stack uintptr, earns uint64) bool {
	if a.stack.Load() != stack {
		a.stack.Store(stack)
		a.since.Store(p)
		return false
	}
	if p-a.since.Load() < earns {
		return false
	}
	a.since.Store(p)
	return true
}

// offer has the stack get the bias of the lane's head with its next pop, if this process can have one.
func (m *MPMC[T]) offer(l *track[T], stack uintptr) {
	seat := uint64(m.here.quick.Load())
	if !bias.Inlined || !m.plain() || seat == 0 || !m.here.mu.TryLock() {
		return
	}
	defer m.here.mu.Unlock()
	for _, h := range m.here.holds {
		if h.stack == stack && h.lane == uint32(l.takes) {
			m.here.hold.Store(h)
			return
		}
	}
	n, ok := m.here.number(stack)
	if !ok {
		return
	}
	h := &hold{
		stack: stack, lane: uint32(l.takes), state: l.lane, claim: &m.seats[seat-1].claims[n],
		base: uint64(n)<<headClaim | stateBiased<<headState | seat,
	}
	m.here.holds = append(m.here.holds, h)
	m.here.hold.Store(h)
}

// adopt gives the lane's head the bias that h is for, and reports whether it could. The caller runs on its stack, and
// nothing is called until it returns.
//
//go:nosplit
//go:noinline
func (m *MPMC[T]) adopt(l *track[T], h *hold) bool {
	seat := h.base & headSeatMask
	head := l.head.Load()
	if head&seatMask != seat || m.seats[seat-1].takes[l.takes].Load() != head-seat+takeDone {
		return false
	}
	for i := range m.lanes {
		other := &m.lanes[i].head
		w := other.Load()
		if w>>headState&stateMask == stateLocked || w&headSeatMask != seat || (w^h.base)>>headClaim&(maxMarks-1) != 0 {
			continue
		}
		// It has the same claim. Only who runs on this stack gives it to a lane.
		if w>>headState&stateMask != stateBiased || !other.CompareAndSwap(w, h.claim.Load()>>1<<endShift) {
			return false
		}
	}
	futex.Publish(h.claim, head>>endShift<<1)
	biased := head>>endShift<<endShift | h.base
	if !l.head.CompareAndSwap(head, biased) {
		return false
	}
	h.head = biased
	return true
}

// forgo gives up the bias of a head, which was w, if it is the caller's. The caller is not in the middle of a pop.
func (m *MPMC[T]) forgo(l *track[T], w uint64) bool {
	h := m.here.hold.Load()
	return h != nil && h.mine() && h.head == w && h.lane == uint32(l.takes) &&
		l.head.CompareAndSwap(w, h.claim.Load()>>1<<endShift)
}

// holds reports whether the head w has the bias that h is for.
func (h *hold) holds(l uint64, w uint64) bool {
	return h != nil && uint64(h.lane) == l && w&(1<<endShift-1) == h.base
}

// unseat takes the bias of a lane's head away. It reports false if the one that had it is in the middle of a pop.
func (m *MPMC[T]) unseat(l *track[T], how manner) (bool, error) {
	for range tryAgain {
		w := l.head.Load()
		switch w >> headState & stateMask {
		case stateLocked:
			return true, nil
		case stateBiased:
			if m.forgo(l, w) {
				return true, nil
			}
			l.head.CompareAndSwap(w, w+(stateRevoked-stateBiased)<<headState)
		case stateRevoked:
			if !futex.Barrier() {
				time.Sleep(time.Millisecond) // which outlasts a store on its way; see futex.Event.Demand
			}
			l.head.CompareAndSwap(w, w+(stateDrained-stateRevoked)<<headState)
		case stateDrained:
			o, claim, err := claimed(m.seats, w)
			if err == nil && claim&1 != 0 {
				if o == m.seg.Self() || !m.gone(o, how) {
					return false, nil
				}
				// What it did between the look at the claim and its death shows now.
				_, claim, err = claimed(m.seats, w)
			}
			if err != nil && l.head.Load() == w {
				return false, l.wrap(err)
			}
			if err != nil {
				continue // the claim is for another lane by now
			}
			l.head.CompareAndSwap(w, claim>>1<<endShift)
		}
	}
	return false, nil
}

// claimed is the claim that a head names, and whose it is.
func claimed(seats []seat, head uint64) (o segment.Owner, claim uint64, err error) {
	i, n := head&headSeatMask-1, head>>headClaim&(maxMarks-1)
	if i >= uint64(len(seats)) {
		return 0, 0, fmt.Errorf("head %#x names seat %d: %w", head, i+1, ErrCorrupt)
	}
	s := &seats[i]
	o = segment.OwnerOf(s.owner.Load()) // before the claim: if the seat is another's by then, the head has changed
	claim = s.claims[n].Load()
	if p := claim >> 1; p < head>>endShift || p > maxEnd {
		return 0, 0, fmt.Errorf("head %#x with claim %#x: %w", head, claim, ErrCorrupt)
	}
	return o, claim, nil
}

// vacate takes the biases of heads away from the owner of seat i, which is dead.
func (m *MPMC[T]) vacate(i int, dead uint64) {
	for k := range m.lanes {
		l := &m.lanes[k]
		for range tryAgain {
			w := l.head.Load()
			if w>>headState&stateMask == stateLocked || w&headSeatMask != uint64(i+1) || m.seats[i].owner.Load() != dead {
				break
			}
			_, claim, err := claimed(m.seats, w)
			if err != nil {
				break // who pops says so
			}
			l.head.CompareAndSwap(w, claim>>1<<endShift)
		}
	}
}

// holder is who keeps the values of a lane from others: it is in the middle of a pop with a bias.
func (m *MPMC[T]) holder() segment.Owner {
	for i := range m.lanes {
		if o := popper(m.lanes[i].lane, m.seats); o != 0 && o != m.seg.Self() {
			return o
		}
	}
	return 0
}

func popper(l *lane, seats []seat) segment.Owner {
	if w := l.head.Load(); w>>headState&stateMask != stateLocked {
		if o, claim, err := claimed(seats, w); err == nil && claim&1 != 0 {
			return o
		}
	}
	return 0
}

// front is the position of the next value to take from a lane, as it was at one moment.
//
//go:nosplit
func (m *MPMC[T]) front(l *track[T]) uint64 { return frontOf(l.lane, m.seats) }

// passed is how many values have been popped, more or less.
func (m *MPMC[T]) passed() (n uint64) {
	for i := range m.lanes {
		n += m.front(&m.lanes[i])
	}
	return n
}

//go:nosplit
func frontOf(l *lane, seats []seat) uint64 {
	w := l.head.Load()
	for range tryAgain {
		i := w&headSeatMask - 1
		if w>>headState&stateMask == stateLocked || i >= uint64(len(seats)) {
			break
		}
		claim := seats[i].claims[w>>headClaim&(maxMarks-1)].Load()
		again := l.head.Load()
		if again == w {
			return claim >> 1
		}
		w = again
	}
	return w >> endShift // or, with a bias, where it was then
}
