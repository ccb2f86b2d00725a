package sync_test

import (
	"runtime"
	gosync "sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/sync"
)

// What is in Go's heap may be guarded by what is in shared memory, which the race detector does not
// see: under it, these tests fail if it is not told.

func TestAMutexOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	a, b := mutexes(t)
	counts := make(map[string]int)
	var wg gosync.WaitGroup
	for i := range 6 {
		m := []*sync.Mutex{a, b}[i%2]
		ctx := bounded(t) // one for all would order what they do
		wg.Go(func() {
			for k := range 200 {
				if got, err := m.TryLock(); err != nil {
					t.Error(err)
				} else if !got {
					if err := m.Lock(ctx); err != nil {
						t.Error(err)
					}
				}
				counts["all"]++
				if k%16 == 0 {
					runtime.Gosched()
				}
				if err := m.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1200, counts["all"])
}

func TestWhoInheritsALockSeesWhatTheDeadOneDidInTheHeap(t *testing.T) {
	ctx := bounded(t)
	s := anonymous(t)
	a, err := sync.NewMutex(s)
	require.NoError(t, err)
	other := again(t, s)
	b, err := sync.MutexFrom(other, a.Ref())
	require.NoError(t, err)
	require.NoError(t, b.Lock(ctx))
	var note []string
	failed := make(chan error)
	go func() {
		err := a.Lock(ctx)
		note = append(note, "inherited")
		failed <- err
	}()
	note = append(note, "held")
	require.NoError(t, other.Close())
	require.ErrorIs(t, <-failed, sync.ErrOwnerDied)
	require.Equal(t, []string{"held", "inherited"}, note)
}

func TestASemaphoreOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	ctx := bounded(t)
	a, b := semaphores(t, 0)
	message := ""
	done := make(chan error)
	go func() {
		err := a.Acquire(ctx, 2)
		message += ", and"
		done <- err
	}()
	message = "one"
	require.NoError(t, b.Release(2))
	require.NoError(t, <-done)
	require.Equal(t, "one, and", message)

	// As a lock.
	count := 0
	require.NoError(t, a.Release(1))
	var wg gosync.WaitGroup
	for i := range 4 {
		s := []*sync.Semaphore{a, b}[i%2]
		ctx := bounded(t)
		wg.Go(func() {
			for range 200 {
				if err := s.Acquire(ctx, 1); err != nil {
					t.Error(err)
				}
				count++
				if err := s.Release(1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 800, count)
}
