package sync_test

import (
	"context"
	"math"
	"runtime"
	gosync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

func TestASemaphoreIsFoundByNameAndByRef(t *testing.T) {
	s := anonymous(t)
	sem, err := sync.NewSemaphore(s, 3, shm.Named("places"))
	require.NoError(t, err)
	opened, err := sync.OpenSemaphore(again(t, s), "places")
	require.NoError(t, err)
	require.Equal(t, sem.Ref(), opened.Ref())
	require.EqualValues(t, 3, opened.Value())
	_, err = sync.OpenMutex(s, "places")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = sync.NewSemaphore(s, 1, shm.Named("places"))
	require.ErrorIs(t, err, shm.ErrExist)
}

// MP-088: a plain semaphore can be released above what it began with.
func TestASemaphoreMayBeReleasedAboveItsBeginning(t *testing.T) {
	a, b := semaphores(t, 2)
	require.EqualValues(t, 2, a.Value())
	require.NoError(t, a.Release(1))
	require.EqualValues(t, 3, b.Value())
	require.NoError(t, b.Release(1))
	require.EqualValues(t, 4, a.Value())
}

// MP-090: without permits a try fails at once, and a wait with a deadline at the deadline.
func TestASemaphoreWithoutPermits(t *testing.T) {
	a, b := semaphores(t, 0)
	for _, s := range []*sync.Semaphore{a, b} {
		got, err := s.TryAcquire(1)
		require.NoError(t, err)
		require.False(t, got)
		require.ErrorIs(t, s.Acquire(over(), 1), context.Canceled)
		const d = 20 * time.Millisecond
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), d)
		require.ErrorIs(t, s.Acquire(ctx, 1), context.DeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(start), d)
		require.Less(t, time.Since(start), 20*time.Second)
		cancel()
	}
	require.Zero(t, a.Value(), "failed calls left no trace")
}

func TestNumbersOfPermitsThatCannotBe(t *testing.T) {
	s := anonymous(t)
	_, err := sync.NewSemaphore(s, -1)
	require.ErrorIs(t, err, sync.ErrCount)
	_, err = sync.NewSemaphore(s, 1<<48)
	require.ErrorIs(t, err, sync.ErrCount)
	sem, err := sync.NewSemaphore(s, 1<<48-1)
	require.NoError(t, err)
	require.NoError(t, sem.Release(math.MaxInt64-1<<48))
	for _, n := range []int64{0, -1, math.MinInt64} {
		require.ErrorIs(t, sem.Acquire(t.Context(), n), sync.ErrCount)
		_, err := sem.TryAcquire(n)
		require.ErrorIs(t, err, sync.ErrCount)
		require.ErrorIs(t, sem.Release(n), sync.ErrCount)
	}
	require.NoError(t, sem.Release(1))
	require.ErrorIs(t, sem.Release(1), sync.ErrCount)
	require.Equal(t, int64(math.MaxInt64), sem.Value())
	require.NoError(t, sem.Acquire(over(), math.MaxInt64))
	for _, o := range []shm.ObjectOption{sync.Bounded(), sync.Tracked()} { // who waited for more would hold up those behind him for ever
		few, err := sync.NewSemaphore(s, 2, o)
		require.NoError(t, err)
		require.ErrorIs(t, few.Acquire(bounded(t), 3), sync.ErrCount)
		_, err = few.TryAcquire(3)
		require.ErrorIs(t, err, sync.ErrCount)
		require.NoError(t, few.Acquire(bounded(t), 2))
	}
}

func TestPermitsAreTakenAllAtOnce(t *testing.T) {
	ctx := bounded(t)
	a, b := semaphores(t, 5)
	got, err := a.TryAcquire(6)
	require.NoError(t, err)
	require.False(t, got)
	require.NoError(t, a.Acquire(ctx, 3))
	done := make(chan error)
	go func() { done <- b.Acquire(ctx, 5) }()
	require.NoError(t, a.Release(1))
	require.EqualValues(t, 3, a.Value(), "five are wanted, and none is taken before there are")
	require.NoError(t, a.Release(2))
	require.NoError(t, <-done)
	require.Zero(t, a.Value())
}

func TestThoseWhoWaitInAProcessAreServedInTheirOrder(t *testing.T) {
	ctx := bounded(t)
	a, _ := semaphores(t, 0)
	var wg gosync.WaitGroup
	order := make(chan int, 10)
	for i := range 10 {
		waiting := a.Queued()
		wg.Go(func() {
			require.NoError(t, a.Acquire(ctx, int64(10-i))) // the first wants most
			order <- i
		})
		for a.Queued() == waiting {
			runtime.Gosched()
		}
	}
	require.NoError(t, a.Release(9))
	require.EqualValues(t, 9, a.Value(), "not enough for the first, so the others wait")
	require.NoError(t, a.Release(1))
	require.Zero(t, <-order)
	for i := 1; i < 10; i++ {
		require.NoError(t, a.Release(int64(10-i)))
		require.Equal(t, i, <-order)
	}
	wg.Wait()
}

func TestNeverMoreHoldersThanPermits(t *testing.T) {
	ctx := bounded(t)
	a, b := semaphores(t, 3)
	var inside, most atomic.Int64
	var wg gosync.WaitGroup
	for i := range 12 {
		s := []*sync.Semaphore{a, b}[i%2]
		wg.Go(func() {
			for k := range 200 {
				n := int64(1 + (i+k)%3)
				require.NoError(t, s.Acquire(ctx, n))
				now := inside.Add(n)
				for {
					m := most.Load()
					if now <= m || most.CompareAndSwap(m, now) {
						break
					}
				}
				if k%8 == 0 {
					runtime.Gosched()
				}
				inside.Add(-n)
				require.NoError(t, s.Release(n))
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, most.Load(), int64(3))
	require.EqualValues(t, 3, a.Value())
}

// As many permits as there are users: whoever is quicker, there is one for the other.
func TestPermitsThatAreThereAreNotRefused(t *testing.T) {
	a, b := semaphores(t, 2)
	var users gosync.WaitGroup
	for _, s := range []*sync.Semaphore{a, b} {
		users.Go(func() {
			for i := range 100000 {
				got, err := true, error(nil)
				if i%2 == 0 {
					got, err = s.TryAcquire(1)
				} else {
					err = s.Acquire(over(), 1)
				}
				if !got || err != nil {
					t.Errorf("round %d: %v, %v", i, got, err)
					return
				}
				_ = s.Release(1)
			}
		})
	}
	users.Wait()
	require.EqualValues(t, 2, a.Value())
}
