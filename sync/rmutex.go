package sync

import (
	"context"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// RMutex is a Mutex that whoever holds it may lock again: Python's RLock. Goroutines have no identity, so
// what stands for the holder is a Hold, which Lock returns and the holder hands to whatever locks again.
// It takes 32 bytes, and is a Mutex in the segment: how often it is locked is the holder's own affair.
type RMutex struct {
	mu Mutex
}

var rmutexShape = shapeOf[MutexState](segment.KindRMutex, 0)

// NewRMutex makes an RMutex in seg, unlocked. It fails with shm.ErrExist if the name is taken, and with
// shm.ErrNoSpace.
func NewRMutex(seg *shm.Segment, opts ...shm.ObjectOption) (*RMutex, error) {
	return rmutexOf(rmutexShape.make(seg, nil, opts))
}

// OpenRMutex finds the RMutex of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenRMutex(seg *shm.Segment, name string) (*RMutex, error) {
	return rmutexOf(rmutexShape.open(seg, name))
}

// OpenOrNewRMutex opens the RMutex of that name, or makes it, whoever else does the same. For its errors see
// OpenRMutex and NewRMutex.
func OpenOrNewRMutex(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*RMutex, error) {
	return segment.OrNew(func() (*RMutex, error) { return OpenRMutex(seg, name) },
		func() (*RMutex, error) { return NewRMutex(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// RMutexFrom returns the RMutex that ref names. It fails with shm.ErrStale if it is not in seg.
func RMutexFrom(seg *shm.Segment, ref shm.Ref) (*RMutex, error) {
	return rmutexOf(rmutexShape.from(seg, ref))
}

// RMutexAt returns the handle of a MutexState that lies in seg, as part of a struct of the user's own. It
// fails with shm.ErrStale if it does not lie there.
func RMutexAt(seg *shm.Segment, state *MutexState) (*RMutex, error) {
	p, err := rmutexShape.at(seg, state)
	return rmutexOf(p, state, err)
}

func rmutexOf(p place, _ *MutexState, err error) (*RMutex, error) {
	if err != nil {
		return nil, err
	}
	return &RMutex{mu: Mutex{place: p, lock: p.seg.PlainLockAt(p.off)}}, nil
}

// Ref names the RMutex. It is zero if the handle came from RMutexAt.
func (m *RMutex) Ref() shm.Ref { return m.mu.ref() }

// Owner is the process that holds the lock, and whether there is one. It is out of date as soon as it
// returns.
func (m *RMutex) Owner() (Holder, bool) { return m.mu.Owner() }

// Lock takes the lock, and blocks until it can or ctx is over; see Mutex.Lock for its errors. With nil, and
// with ErrOwnerDied, the Hold has it once.
func (m *RMutex) Lock(ctx context.Context) (*Hold, error) {
	h := &Hold{m: m} // inlined, so that it lies on the caller's stack
	return h, h.take(ctx)
}

// TryLock takes the lock if it can without blocking: else the Hold is nil. See Mutex.TryLock.
func (m *RMutex) TryLock() (*Hold, error) {
	got, err := m.mu.TryLock()
	if !got {
		return nil, err
	}
	return &Hold{m: m, depth: 1}, err
}

// Hold is the state of being locked. It belongs to one goroutine at a time.
type Hold struct {
	m     *RMutex
	depth int
}

func (h *Hold) take(ctx context.Context) error {
	err := h.m.mu.Lock(ctx)
	if err == nil || isOwnerDied(err) {
		h.depth = 1
	}
	return err
}

// Lock locks once more. It does not wait; ctx is there for code that locks either way. It fails with
// ErrNotHeld once the last Unlock was called.
func (h *Hold) Lock(context.Context) error {
	if h.depth == 0 {
		return h.spent("lock again")
	}
	h.depth++
	return nil
}

// Unlock takes one Lock back; the last one gives the lock up. It never blocks. It fails with ErrNotHeld
// when there is none left, and otherwise as Mutex.Unlock does.
func (h *Hold) Unlock() error {
	if h.depth == 0 {
		return h.spent("unlock")
	}
	h.depth--
	if h.depth > 0 {
		return nil
	}
	return h.m.mu.Unlock()
}

// MarkConsistent says that what the lock guards was repaired, after Lock returned ErrOwnerDied; see
// Mutex.MarkConsistent.
func (h *Hold) MarkConsistent() error {
	if h.depth == 0 {
		return h.spent("repair")
	}
	return h.m.mu.MarkConsistent()
}

// Depth is how often it is locked: 0 once it was given up.
func (h *Hold) Depth() int { return h.depth }

func (h *Hold) spent(op string) error {
	return h.m.mu.wrap(op, fmt.Errorf("this hold is over: %w", ErrNotHeld))
}
