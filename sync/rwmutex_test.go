package sync_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// rwMutexes is one RWMutex, through two participants.
func rwMutexes(t testing.TB) (a, b *sync.RWMutex) {
	t.Helper()
	s := anonymous(t)
	a, err := sync.NewRWMutex(s)
	require.NoError(t, err)
	b, err = sync.RWMutexFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}

func TestReadersShareAndWritersDoNot(t *testing.T) {
	a, b := rwMutexes(t)
	ctx := bounded(t)
	require.NoError(t, a.RLock(ctx))
	require.NoError(t, a.RLock(ctx))
	require.NoError(t, b.RLock(over()), "who need not wait does not look at the context")
	require.Equal(t, 3, a.Readers())
	for _, m := range []*sync.RWMutex{a, b} {
		got, err := m.TryLock()
		require.NoError(t, err)
		require.False(t, got)
		require.ErrorIs(t, m.Lock(within(t, 5*time.Millisecond)), context.DeadlineExceeded)
	}
	got, err := b.TryRLock()
	require.NoError(t, err)
	require.True(t, got, "failed calls left no trace")
	for _, m := range []*sync.RWMutex{a, a, b, b} {
		require.NoError(t, m.RUnlock())
	}
	require.Zero(t, a.Readers())

	require.NoError(t, b.Lock(ctx))
	_, held := a.Owner()
	require.True(t, held)
	for _, m := range []*sync.RWMutex{a, b} {
		got, err := m.TryRLock()
		require.NoError(t, err)
		require.False(t, got)
		got, err = m.TryLock()
		require.NoError(t, err)
		require.False(t, got)
		require.ErrorIs(t, m.RLock(within(t, 5*time.Millisecond)), context.DeadlineExceeded)
		require.ErrorIs(t, m.RLock(over()), context.Canceled)
	}
	require.ErrorIs(t, a.Unlock(), sync.ErrNotHeld)
	require.NoError(t, b.Unlock())
	require.NoError(t, a.Lock(ctx))
	require.NoError(t, a.Unlock())
}

func TestUnlockingWhatIsNotLockedForReadingOrWriting(t *testing.T) {
	a, b := rwMutexes(t)
	require.ErrorIs(t, a.RUnlock(), sync.ErrNotHeld)
	require.ErrorIs(t, a.Unlock(), sync.ErrNotHeld)
	require.ErrorIs(t, a.Downgrade(), sync.ErrNotHeld)
	require.ErrorIs(t, a.MarkConsistent(), sync.ErrNotHeld)
	require.NoError(t, b.RLock(bounded(t)))
	require.ErrorIs(t, a.RUnlock(), sync.ErrNotHeld, "it is the other process that reads")
	require.ErrorIs(t, b.Unlock(), sync.ErrNotHeld)
	require.NoError(t, b.RUnlock())
	require.ErrorIs(t, b.RUnlock(), sync.ErrNotHeld)
	require.NoError(t, b.Lock(bounded(t)))
	require.ErrorIs(t, a.Downgrade(), sync.ErrNotHeld)
	require.NoError(t, b.Unlock())
}

func TestADowngradedLockLetsReadersInAndNoWriter(t *testing.T) {
	a, b := rwMutexes(t)
	ctx := bounded(t)
	require.NoError(t, a.Lock(ctx))
	reads := make(chan error)
	go func() { reads <- b.RLock(ctx) }()
	require.NoError(t, a.Downgrade())
	require.NoError(t, <-reads)
	got, err := b.TryLock()
	require.NoError(t, err)
	require.False(t, got)
	require.NoError(t, a.RUnlock())
	require.NoError(t, b.RUnlock())
	require.NoError(t, b.Lock(ctx))
	require.NoError(t, b.Unlock())
}

func TestAWriterThatWaitsKeepsNewReadersOut(t *testing.T) {
	a, b := rwMutexes(t)
	ctx := bounded(t)
	require.NoError(t, a.RLock(ctx))
	wrote := make(chan error)
	go func() { wrote <- b.Lock(ctx) }()
	require.Eventually(t, func() bool { _, held := a.Owner(); return held }, time.Minute, time.Millisecond)
	got, err := a.TryRLock()
	require.NoError(t, err)
	require.False(t, got)
	require.NoError(t, a.RUnlock())
	require.NoError(t, <-wrote)
	require.NoError(t, b.Unlock())

	// One that gives up lets them in again.
	require.NoError(t, a.RLock(ctx))
	giveUp, cancel := context.WithCancel(ctx)
	go func() { wrote <- b.Lock(giveUp) }()
	require.Eventually(t, func() bool { _, held := a.Owner(); return held }, time.Minute, time.Millisecond)
	reads := make(chan error)
	go func() { reads <- a.RLock(ctx) }()
	cancel()
	require.ErrorIs(t, <-wrote, context.Canceled)
	require.NoError(t, <-reads)
	require.Equal(t, 2, a.Readers())
}

// TestNobodyStarves has writers who never pause and readers who never pause meet somebody of the other kind.
func TestNobodyStarvesForAReadWriteLock(t *testing.T) {
	for _, busyWriters := range []bool{true, false} {
		a, b := rwMutexes(t)
		ctx, stop := context.WithCancel(bounded(t))
		ended := make(chan error, 3)
		for range 3 {
			go func() {
				for ctx.Err() == nil {
					lock, unlock := a.RLock, a.RUnlock
					if busyWriters {
						lock, unlock = a.Lock, a.Unlock
					}
					if err := lock(context.Background()); err != nil {
						ended <- err
						return
					}
					time.Sleep(50 * time.Microsecond) // with the lock
					if err := unlock(); err != nil {
						ended <- err
						return
					}
				}
				ended <- nil
			}()
		}
		for range 30 {
			lock, unlock := b.Lock, b.Unlock
			if busyWriters {
				lock, unlock = b.RLock, b.RUnlock
			}
			require.NoError(t, lock(ctx))
			require.NoError(t, unlock())
		}
		stop()
		for range 3 {
			require.NoError(t, <-ended)
		}
	}
}

func TestCloseEndsWaitsForAReadWriteLock(t *testing.T) {
	s := anonymous(t)
	held, err := sync.NewRWMutex(s)
	require.NoError(t, err)
	other := again(t, s)
	m, err := sync.RWMutexFrom(other, held.Ref())
	require.NoError(t, err)
	ctx := bounded(t)
	ended := make(chan error, 2)
	require.NoError(t, held.Lock(ctx))
	go func() { ended <- m.RLock(ctx) }()
	go func() { ended <- m.Lock(ctx) }()
	require.Eventually(t, func() bool { return sync.RWWaiting(m) == 2 }, time.Minute, time.Millisecond)
	require.NoError(t, other.Close())
	require.ErrorIs(t, <-ended, shm.ErrClosed)
	require.ErrorIs(t, <-ended, shm.ErrClosed)
	require.ErrorIs(t, m.RLock(ctx), shm.ErrClosed)
	require.ErrorIs(t, m.Lock(ctx), shm.ErrClosed)
	require.ErrorIs(t, m.RUnlock(), shm.ErrClosed)
	require.ErrorIs(t, m.Unlock(), shm.ErrClosed)
	require.ErrorIs(t, m.Downgrade(), shm.ErrClosed)
	_, err = m.TryRLock()
	require.ErrorIs(t, err, shm.ErrClosed)
	require.NoError(t, held.Unlock())
}

// A closed handle is a small death: what it had is given back.
func TestCloseGivesBackReadersAndLeavesAWriterSuspect(t *testing.T) {
	s := anonymous(t)
	m, err := sync.NewRWMutex(s)
	require.NoError(t, err)
	ctx := bounded(t)
	reader := again(t, s)
	in, err := sync.RWMutexFrom(reader, m.Ref())
	require.NoError(t, err)
	require.NoError(t, in.RLock(ctx))
	wrote := make(chan error)
	go func() { wrote <- m.Lock(ctx) }()
	require.NoError(t, reader.Close())
	require.NoError(t, <-wrote)
	require.NoError(t, m.Unlock())

	writer := again(t, s)
	w, err := sync.RWMutexFrom(writer, m.Ref())
	require.NoError(t, err)
	require.NoError(t, w.Lock(ctx))
	require.NoError(t, writer.Close())
	require.ErrorIs(t, m.RLock(ctx), sync.ErrOwnerDied)
	got, err := m.TryRLock()
	require.True(t, got)
	require.ErrorIs(t, err, sync.ErrOwnerDied)
	require.NoError(t, m.RUnlock())
	require.NoError(t, m.RUnlock())
	require.ErrorIs(t, m.Lock(ctx), sync.ErrOwnerDied)
	require.NoError(t, m.Downgrade(), "unrepaired")
	require.NoError(t, m.RUnlock())
	got, err = m.TryLock()
	require.True(t, got)
	require.ErrorIs(t, err, sync.ErrOwnerDied)
	require.NoError(t, m.MarkConsistent())
	require.NoError(t, m.Unlock())
	require.NoError(t, m.RLock(ctx))
	require.NoError(t, m.RUnlock())
}

func TestAWriteLockThatNobodyRepairsIsNotRecoverable(t *testing.T) {
	s := anonymous(t)
	m, err := sync.NewRWMutex(s)
	require.NoError(t, err)
	ctx := bounded(t)
	writer := again(t, s)
	w, err := sync.RWMutexFrom(writer, m.Ref())
	require.NoError(t, err)
	require.NoError(t, w.Lock(ctx))
	require.NoError(t, writer.Close())
	require.ErrorIs(t, m.Lock(ctx), sync.ErrOwnerDied)
	reads := make(chan error)
	go func() { reads <- m.RLock(ctx) }()
	require.NoError(t, m.Unlock())
	require.ErrorIs(t, <-reads, sync.ErrNotRecoverable)
	require.ErrorIs(t, m.Lock(ctx), sync.ErrNotRecoverable)
	_, err = m.TryRLock()
	require.ErrorIs(t, err, sync.ErrNotRecoverable)
	_, err = m.TryLock()
	require.ErrorIs(t, err, sync.ErrNotRecoverable)
}

func TestLockersOfAReadWriteLock(t *testing.T) {
	a, b := rwMutexes(t)
	w, r := a.Locker(nil), b.RLocker()
	w.Lock()
	_, held := b.Owner()
	require.True(t, held)
	w.Unlock()
	r.Lock()
	require.Equal(t, 1, a.Readers())
	r.Unlock()
	require.ErrorIs(t, panics(r.Unlock), sync.ErrNotHeld)
	require.ErrorIs(t, panics(w.Unlock), sync.ErrNotHeld)
}

func TestACondOfAReadWriteLock(t *testing.T) {
	s := anonymous(t)
	m, err := sync.NewRWMutex(s)
	require.NoError(t, err)
	c, err := sync.NewCond(s)
	require.NoError(t, err)
	ctx := bounded(t)
	ready := 0
	ended := make(chan error, 3)
	for range 2 {
		go func() {
			if err := m.RLock(ctx); err != nil {
				ended <- err
				return
			}
			err := c.WaitFor(ctx, m.Reading(), func() bool { return ready == 1 })
			if e := m.RUnlock(); err == nil {
				err = e
			}
			ended <- err
		}()
	}
	go func() {
		if err := m.Lock(ctx); err != nil {
			ended <- err
			return
		}
		err := c.WaitFor(ctx, m, func() bool { return ready == 1 })
		if e := m.Unlock(); err == nil {
			err = e
		}
		ended <- err
	}()
	require.Eventually(t, func() bool { return sync.Waiting(c) == 3 }, time.Minute, time.Millisecond)
	require.NoError(t, m.Lock(ctx))
	ready = 1
	require.NoError(t, c.Broadcast())
	require.NoError(t, m.Unlock())
	for range 3 {
		require.NoError(t, <-ended)
	}
}

func TestReadLocksAllocateNothing(t *testing.T) {
	a, _ := rwMutexes(t)
	ctx := t.Context()
	require.NoError(t, a.RLock(ctx))
	require.NoError(t, a.RUnlock())
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = a.RLock(ctx)
		_ = a.RUnlock()
		_ = a.Lock(ctx)
		_ = a.Unlock()
	}))
}

func BenchmarkRWMutexRead(b *testing.B) {
	m, _ := rwMutexes(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if m.RLock(ctx) != nil || m.RUnlock() != nil {
			b.Fatal("failed")
		}
	}
}

func BenchmarkMutex(b *testing.B) {
	m, _ := mutexes(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if m.Lock(ctx) != nil || m.Unlock() != nil {
			b.Fatal("failed")
		}
	}
}
