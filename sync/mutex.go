package sync

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Mutex is a lock between processes that the death of its holder does not keep locked. It takes 32
// bytes. A process holds it, not a goroutine: any goroutine of the process may unlock.
type Mutex struct {
	_ noCopy
	place
	lock segment.Lock
}

var mutexShape = shapeOf[MutexState](segment.KindMutex, 0)

// NewMutex makes a Mutex in seg, unlocked. It fails with shm.ErrExist if the name is taken, and with
// shm.ErrNoSpace.
func NewMutex(seg *shm.Segment, opts ...shm.ObjectOption) (*Mutex, error) {
	return mutexOf(mutexShape.make(seg, nil, opts))
}

// OpenMutex finds the Mutex of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenMutex(seg *shm.Segment, name string) (*Mutex, error) {
	return mutexOf(mutexShape.open(seg, name))
}

// OpenOrNewMutex opens the Mutex of that name, or makes it, whoever else does the same. For its errors see
// OpenMutex and NewMutex.
func OpenOrNewMutex(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Mutex, error) {
	return segment.OrNew(func() (*Mutex, error) { return OpenMutex(seg, name) },
		func() (*Mutex, error) { return NewMutex(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// MutexFrom returns the Mutex that ref names. It fails with shm.ErrStale if it is not in seg.
func MutexFrom(seg *shm.Segment, ref shm.Ref) (*Mutex, error) {
	return mutexOf(mutexShape.from(seg, ref))
}

// MutexAt returns the handle of a MutexState that lies in seg, as part of a struct of the user's
// own. It fails with shm.ErrStale if it does not lie there.
func MutexAt(seg *shm.Segment, state *MutexState) (*Mutex, error) {
	p, err := mutexShape.at(seg, state)
	return mutexOf(p, state, err)
}

func mutexOf(p place, _ *MutexState, err error) (*Mutex, error) {
	if err != nil {
		return nil, err
	}
	return &Mutex{place: p, lock: p.seg.PlainLockAt(p.off)}, nil
}

// Ref names the Mutex. It is zero if the handle came from MutexAt.
func (m *Mutex) Ref() shm.Ref { return m.ref() }

// Lock takes the lock, and blocks until it can or ctx is over, also if it is this goroutine that has it (see RMutex). With ErrOwnerDied the call has the
// lock too: its last holder died with it, and what it guards may be inconsistent (MarkConsistent).
// Other errors are ErrNotRecoverable, shm.ErrClosed, and the context's.
func (m *Mutex) Lock(ctx context.Context) (_ error) {
	if m.lock.TryLock() {
		return // so short that the compiler inlines it; a test looks
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
func (m *Mutex) Unlock() (err error) {
	released := m.lock.Release()
	if !released || !m.lock.Unwanted() {
		err = m.unlockSlow(released)
	}
	runtime.KeepAlive(m) // the mapping goes with the last handle
	return
}

// unlockSlow is what is left to do when somebody may be asleep, or the lock could not be released like that.
func (m *Mutex) unlockSlow(released bool) error {
	if released {
		m.lock.Wake()
		return nil
	}
	return m.wrap("unlock", m.lock.UnlockSlow())
}

// MarkConsistent says that what the lock guards was repaired, after Lock returned ErrOwnerDied. It
// fails with ErrNotHeld if this process does not hold the lock, or got it without ErrOwnerDied.
func (m *Mutex) MarkConsistent() error {
	return m.wrap("repair", m.lock.MarkConsistent())
}

// Owner is the process that holds the lock, and whether there is one. It is out of date as soon as it
// returns.
func (m *Mutex) Owner() (Holder, bool) { return holderOf(m.seg, &m.lock) }

func holderOf(seg *segment.Segment, l *segment.Lock) (Holder, bool) {
	o, _ := l.Holder()
	p := seg.Participant(o)
	return Holder{Pid: p.Pid, Name: p.Name, Since: l.Since(), text: p.String()}, o != 0
}

// Holder is a process that holds a lock, or held it a moment ago.
type Holder struct {
	Pid   int       // 0 if it has left since
	Name  string    // that it attached as (shm.As)
	Since time.Time // when the first of those who wait now came; zero if nobody waits
	text  string
}

// String names the process in words.
func (h Holder) String() string { return h.text }

// Locker is m for code that wants a sync.Locker: its Lock waits without a context, and repairs what a
// dead holder left by calling repair and MarkConsistent; with a nil repair there is nothing that needs
// it. Where Mutex.Lock or Unlock would return an error, or repair does, they panic with it.
func (m *Mutex) Locker(repair func() error) sync.Locker { return &locker{m, repair} }

// locker is a Mutex, or an RWMutex locked for writing, as a sync.Locker.
type locker struct {
	m interface {
		Lock(context.Context) error
		Unlock() error
		MarkConsistent() error
		wrap(op string, err error) error
	}
	repair func() error
}

func (l *locker) Lock() {
	err := l.m.Lock(context.Background())
	if err != nil && isOwnerDied(err) {
		err = l.inherit()
	}
	if err != nil {
		panic(err)
	}
}

// inherit repairs, or leaves the lock to nobody.
func (l *locker) inherit() error {
	if l.repair != nil {
		if err := l.repair(); err != nil {
			return errors.Join(l.m.wrap("repair", err), l.m.Unlock())
		}
	}
	return l.m.MarkConsistent()
}

func (l *locker) Unlock() {
	if err := l.m.Unlock(); err != nil {
		panic(err)
	}
}

func isOwnerDied(err error) bool { return errors.Is(err, ErrOwnerDied) }
