package sync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	gosync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

func TestALockThatIsHeldIsNotHadAgain(t *testing.T) {
	a, b := mutexes(t)
	require.NoError(t, a.Lock(t.Context()))
	for _, m := range []*sync.Mutex{a, b} {
		got, err := m.TryLock()
		require.NoError(t, err)
		require.False(t, got)
		owner, held := m.Owner()
		require.True(t, held)
		require.Equal(t, fmt.Sprintf("process %d", os.Getpid()), owner.String())
		require.Equal(t, os.Getpid(), owner.Pid)
		require.Zero(t, owner.Since, "nobody waits")
	}
	require.NoError(t, a.Unlock())
	_, held := a.Owner()
	require.False(t, held)
	got, err := b.TryLock()
	require.NoError(t, err)
	require.True(t, got)
	require.NoError(t, b.Unlock())
}

func TestAMutexIsFoundByNameAndByRef(t *testing.T) {
	s := anonymous(t)
	m, err := sync.NewMutex(s, shm.Named("door"))
	require.NoError(t, err)
	_, err = sync.NewMutex(s, shm.Named("door"))
	require.ErrorIs(t, err, shm.ErrExist)
	require.ErrorContains(t, err, "door")
	opened, err := sync.OpenMutex(again(t, s), "door")
	require.NoError(t, err)
	require.Equal(t, m.Ref(), opened.Ref())
	_, err = sync.OpenMutex(s, "window")
	require.ErrorIs(t, err, shm.ErrNotExist)
	_, err = sync.OpenSemaphore(s, "door")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = sync.SemaphoreFrom(s, m.Ref())
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = sync.MutexFrom(s, shm.Ref{})
	require.ErrorIs(t, err, shm.ErrStale)
	_, err = sync.MutexFrom(anonymous(t), m.Ref())
	require.ErrorIs(t, err, shm.ErrStale)
}

func TestUnlockOfWhatIsNotHeldSaysWhoHoldsIt(t *testing.T) {
	a, b := mutexes(t)
	require.ErrorIs(t, a.Unlock(), sync.ErrNotHeld)
	require.NoError(t, a.Lock(t.Context()))
	err := b.Unlock()
	require.ErrorIs(t, err, sync.ErrNotHeld)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
	require.NoError(t, a.Unlock())
	require.ErrorIs(t, a.Unlock(), sync.ErrNotHeld)
	require.ErrorIs(t, a.MarkConsistent(), sync.ErrNotHeld)
}

func TestGoroutinesOfTwoParticipantsExcludeEachOther(t *testing.T) {
	ctx := bounded(t)
	a, b := mutexes(t)
	const each, goroutines = 300, 10
	var wg gosync.WaitGroup
	count, inside := 0, false
	for i := range goroutines {
		m := []*sync.Mutex{a, b}[i%2]
		wg.Go(func() {
			for k := range each {
				require.NoError(t, m.Lock(ctx))
				require.False(t, inside)
				inside = true
				if k%16 == 0 {
					runtime.Gosched()
				}
				count++
				inside = false
				require.NoError(t, m.Unlock())
			}
		})
	}
	wg.Wait()
	require.Equal(t, each*goroutines, count)
}

// A call that need not wait does not look at its context; one that must looks first.
func TestTheContextOfALockCountsAtTheWaitAlone(t *testing.T) {
	a, b := mutexes(t)
	require.NoError(t, a.Lock(over()))
	require.ErrorIs(t, b.Lock(over()), context.Canceled)
	require.ErrorIs(t, a.Lock(over()), context.Canceled)
	require.NoError(t, a.Unlock())
	require.NoError(t, b.Lock(over()))
}

func TestADeadlineEndsALockThatWaitsAndNotBefore(t *testing.T) {
	a, b := mutexes(t)
	require.NoError(t, a.Lock(t.Context()))
	const d = 30 * time.Millisecond
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.ErrorIs(t, b.Lock(ctx), context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(start), d)
	require.Less(t, time.Since(start), 20*time.Second)
	require.NoError(t, a.Unlock())
	got, err := b.TryLock()
	require.NoError(t, err)
	require.True(t, got, "the failed call left no trace")
}

func TestAStormOfCancellationsLosesNoWake(t *testing.T) {
	ctx := bounded(t)
	a, b := mutexes(t)
	var wg gosync.WaitGroup
	done := make(chan struct{})
	for i := range 40 {
		m := []*sync.Mutex{a, b}[i%2]
		wg.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-done:
					return
				default:
				}
				short, cancel := context.WithTimeout(ctx, time.Duration((i*31+k*17)%500)*time.Microsecond)
				if err := m.Lock(short); err == nil {
					runtime.Gosched()
					require.NoError(t, m.Unlock())
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				cancel()
			}
		})
	}
	for range 200 { // those who are patient get it all the same
		require.NoError(t, a.Lock(ctx))
		require.NoError(t, a.Unlock())
		require.NoError(t, b.Lock(ctx))
		require.NoError(t, b.Unlock())
	}
	close(done)
	wg.Wait()
	got, err := a.TryLock()
	require.NoError(t, err)
	require.True(t, got)
}

// threads is how many threads this process has.
func threads(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(entries)
}

func TestAThousandWaitersCostAHandfulOfThreads(t *testing.T) {
	a, _ := mutexes(t)
	sem, _ := semaphores(t, 0)
	require.NoError(t, a.Lock(t.Context()))
	before := threads(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg, begun gosync.WaitGroup
	const waiters = 1000
	for i := range waiters {
		begun.Add(1)
		wg.Go(func() {
			begun.Done()
			if i%2 == 0 {
				require.ErrorIs(t, a.Lock(ctx), context.Canceled)
			} else {
				require.ErrorIs(t, sem.Acquire(ctx, 1), context.Canceled)
			}
		})
	}
	begun.Wait()
	require.Less(t, threads(t), before+20)
	cancel()
	wg.Wait()
	require.NoError(t, a.Unlock())
}

func TestCloseOfTheSegmentEndsBlockedCalls(t *testing.T) {
	s := anonymous(t)
	m, err := sync.NewMutex(s)
	require.NoError(t, err)
	sem, err := sync.NewSemaphore(s, 0)
	require.NoError(t, err)
	require.NoError(t, m.Lock(t.Context()))
	var wg gosync.WaitGroup
	for range 20 {
		wg.Go(func() { require.ErrorIs(t, m.Lock(bounded(t)), shm.ErrClosed) })
		wg.Go(func() { require.ErrorIs(t, sem.Acquire(bounded(t), 1), shm.ErrClosed) })
	}
	runtime.Gosched()
	require.NoError(t, s.Close())
	wg.Wait()

	require.ErrorIs(t, m.Lock(t.Context()), shm.ErrClosed)
	require.ErrorContains(t, m.Lock(t.Context()), s.Engine().String(), "the segment is named")
	_, err = m.TryLock()
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, m.Unlock(), shm.ErrClosed)
	require.ErrorIs(t, m.MarkConsistent(), shm.ErrClosed)
	require.ErrorIs(t, sem.Acquire(t.Context(), 1), shm.ErrClosed)
	_, err = sem.TryAcquire(1)
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, sem.Release(1), shm.ErrClosed)
	_, err = sync.NewMutex(s)
	require.ErrorIs(t, err, shm.ErrClosed)
}

// The contract of POSIX robust mutexes. Close of a segment is a small death.
func TestWhoInheritsALockRepairsOrGivesItUpForAll(t *testing.T) {
	ctx := bounded(t)
	s := anonymous(t)
	a, err := sync.NewMutex(s)
	require.NoError(t, err)
	die := func(last error) {
		other := again(t, s)
		m, err := sync.MutexFrom(other, a.Ref())
		require.NoError(t, err)
		err = m.Lock(ctx)
		if last == nil {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, last)
		}
		require.NoError(t, other.Close())
	}
	die(nil)
	require.ErrorIs(t, a.Lock(ctx), sync.ErrOwnerDied)
	require.NoError(t, a.MarkConsistent())
	require.ErrorIs(t, a.MarkConsistent(), sync.ErrNotHeld, "it is consistent")
	require.NoError(t, a.Unlock())
	require.NoError(t, a.Lock(ctx), "repaired for good")
	require.NoError(t, a.Unlock())

	die(nil)
	die(sync.ErrOwnerDied) // and dies, too, before it repairs
	got, err := a.TryLock()
	require.ErrorIs(t, err, sync.ErrOwnerDied)
	require.True(t, got)

	waiter, err := sync.MutexFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	failed := make(chan error)
	go func() { failed <- waiter.Lock(ctx) }()
	require.NoError(t, a.Unlock(), "without MarkConsistent")
	require.ErrorIs(t, <-failed, sync.ErrNotRecoverable)
	for _, m := range []*sync.Mutex{a, waiter} {
		require.ErrorIs(t, m.Lock(ctx), sync.ErrNotRecoverable)
		got, err := m.TryLock()
		require.ErrorIs(t, err, sync.ErrNotRecoverable)
		require.False(t, got)
		require.ErrorIs(t, m.Unlock(), sync.ErrNotRecoverable)
		require.ErrorIs(t, m.MarkConsistent(), sync.ErrNotHeld)
	}
}

func TestManyInheritAndOneIsTold(t *testing.T) {
	ctx := bounded(t)
	for range 20 {
		s := anonymous(t)
		dead := again(t, s)
		m, err := sync.NewMutex(dead)
		require.NoError(t, err)
		require.NoError(t, m.Lock(ctx))
		var wg gosync.WaitGroup
		var mu gosync.Mutex
		told := 0
		for i := range 6 {
			heir, err := sync.MutexFrom([]*shm.Segment{s, again(t, s)}[i%2], m.Ref())
			require.NoError(t, err)
			wg.Go(func() {
				err := heir.Lock(ctx)
				if errors.Is(err, sync.ErrOwnerDied) {
					mu.Lock()
					told++
					mu.Unlock()
					err = heir.MarkConsistent()
				}
				require.NoError(t, err)
				require.NoError(t, heir.Unlock())
			})
		}
		require.NoError(t, dead.Close())
		wg.Wait()
		require.Equal(t, 1, told)
	}
}

// account is a user's own struct in shared memory.
type account struct {
	Balance int64
	Mu      sync.MutexState
}

func TestAMutexInAStructOfTheUsersOwn(t *testing.T) {
	ctx := bounded(t)
	s := anonymous(t)
	other := again(t, s)
	o, err := s.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 64, Name: "account"})
	require.NoError(t, err)
	there, err := other.Engine().Lookup("account", segment.KindRaw, 0)
	require.NoError(t, err)
	mine, theirs := accountIn(o), accountIn(there)

	a, err := sync.MutexAt(s, &mine.Mu)
	require.NoError(t, err)
	b, err := sync.MutexAt(other, &theirs.Mu)
	require.NoError(t, err)
	require.Zero(t, a.Ref())
	var wg gosync.WaitGroup
	for i := range 4 {
		m, acc := []*sync.Mutex{a, b}[i%2], []*account{mine, theirs}[i%2]
		wg.Go(func() {
			for range 500 {
				require.NoError(t, m.Lock(ctx))
				acc.Balance++
				require.NoError(t, m.Unlock())
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 2000, mine.Balance)

	_, err = sync.MutexAt(s, new(sync.MutexState))
	require.ErrorIs(t, err, shm.ErrStale, "a struct in Go's heap")
	_, err = sync.MutexAt(s, &theirs.Mu)
	require.ErrorIs(t, err, shm.ErrStale, "a struct in another mapping")
	_, err = sync.MutexAt(s, nil)
	require.ErrorIs(t, err, shm.ErrStale)
}
