package sync

import (
	"context"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Mutex is a lock between processes that the death of its holder does not keep locked. It takes 32
// bytes. A process holds it, not a goroutine: any goroutine of the process may unlock.
type Mutex struct {
	seg  *shm.Segment
	lock segment.Lock
	ref  shm.Ref
}

var mutexLayout = segment.LayoutOf[MutexState]()

// NewMutex makes a Mutex in seg, unlocked. It fails with shm.ErrExist if the name is taken, and with
// shm.ErrNoSpace.
func NewMutex(seg *shm.Segment, opts ...shm.ObjectOption) (*Mutex, error) {
	spec := segment.Spec{Kind: segment.KindMutex, Layout: mutexLayout(), Size: mutexSize}
	for _, o := range opts {
		o(&spec)
	}
	o, err := seg.Engine().New(spec)
	return mutexOf(seg, o, "make", spec.Name, err)
}

// OpenMutex finds the Mutex of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenMutex(seg *shm.Segment, name string) (*Mutex, error) {
	o, err := seg.Engine().Lookup(name, segment.KindMutex, mutexLayout())
	return mutexOf(seg, o, "open", name, err)
}

// MutexFrom returns the Mutex that ref names. It fails with shm.ErrStale if it is not in seg.
func MutexFrom(seg *shm.Segment, ref shm.Ref) (*Mutex, error) {
	o, err := seg.Engine().Resolve(ref, segment.KindMutex, mutexLayout())
	return mutexOf(seg, o, "resolve", "", err)
}

func mutexOf(seg *shm.Segment, o segment.Object, op, name string, err error) (*Mutex, error) {
	if err == nil {
		err = o.Holds(mutexSize)
	}
	if err != nil {
		return nil, fmt.Errorf("sync: %s mutex %q in segment %s: %w", op, name, seg.Engine(), err)
	}
	return &Mutex{seg: seg, lock: seg.Engine().LockAt(o.Offset()), ref: o.Ref()}, nil
}

// Ref names the Mutex. It is zero if the handle came from MutexAt.
func (m *Mutex) Ref() shm.Ref { return m.ref }

// Lock takes the lock, and blocks until it can or ctx is over. With ErrOwnerDied the call has the
// lock too: its last holder died with it, and what it guards may be inconsistent (MarkConsistent).
// Other errors are ErrNotRecoverable, shm.ErrClosed, and the context's.
func (m *Mutex) Lock(ctx context.Context) error {
	if m.lock.TryLock() {
		return nil
	}
	return m.lockSlow(ctx)
}

func (m *Mutex) lockSlow(ctx context.Context) error {
	return m.wrap("lock", m.lock.LockSlow(ctx))
}

// TryLock takes the lock if it can without blocking, and reports whether it did. If the last holder
// died with it, it reports true with ErrOwnerDied; see Lock. A lock that is held costs a system call
// that looks whether its holder lives.
func (m *Mutex) TryLock() (bool, error) {
	if m.lock.TryLock() {
		return true, nil
	}
	return m.trySlow()
}

func (m *Mutex) trySlow() (bool, error) {
	got, err := m.lock.TrySlow()
	return got, m.wrap("lock", err)
}

// Unlock gives the lock up. It never blocks. It fails with ErrNotHeld if the lock is free, or if
// another process holds it, which the error names; and with shm.ErrClosed.
func (m *Mutex) Unlock() error {
	if !m.lock.Release() {
		return m.unlockSlow()
	}
	if !m.lock.Unwanted() {
		m.lock.Wake()
	}
	runtime.KeepAlive(m) // the mapping goes with the last handle
	return nil
}

func (m *Mutex) unlockSlow() error { return m.wrap("unlock", m.lock.UnlockSlow()) }

// MarkConsistent says that what the lock guards was repaired, after Lock returned ErrOwnerDied. It
// fails with ErrNotHeld if this process does not hold the lock, or got it without ErrOwnerDied.
func (m *Mutex) MarkConsistent() error {
	return m.wrap("repair", m.lock.MarkConsistent())
}

// Owner is the process that holds the lock, in words, and whether there is one. It is out of date
// as soon as it returns.
func (m *Mutex) Owner() (string, bool) {
	o, _ := m.lock.Holder()
	return m.seg.Engine().Describe(o), o != 0
}

func (m *Mutex) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sync: %s mutex in segment %s: %w", op, m.seg.Engine(), err)
}
