package sync_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

type greed struct{ Mutex, Begun, Enough shm.Ref }

// greedy locks again as soon as it has unlocked.
var greedy = proc.Func("sync_test.greedy", func(ctx context.Context, g greed) error {
	seg := proc.Segments(ctx)[0]
	mu, err := sync.MutexFrom(seg, g.Mutex)
	if err != nil {
		return err
	}
	begun, err := sync.EventFrom(seg, g.Begun)
	if err != nil {
		return err
	}
	enough, err := sync.EventFrom(seg, g.Enough)
	if err != nil {
		return err
	}
	for !enough.IsSet() {
		if err := mu.Lock(ctx); err != nil {
			return err
		}
		if !begun.IsSet() {
			if err := begun.Set(); err != nil {
				return err
			}
		}
		if err := mu.Unlock(); err != nil {
			return err
		}
	}
	return nil
})

// TestNobodyStarves has a process that locks again and again, and one that wants the lock as well.
func TestNobodyStarves(t *testing.T) {
	seg := anonymous(t)
	mu, err := sync.NewMutex(seg)
	require.NoError(t, err)
	begun, err := sync.NewEvent(seg)
	require.NoError(t, err)
	enough, err := sync.NewEvent(seg)
	require.NoError(t, err)
	child, err := greedy.Start(bounded(t), greed{mu.Ref(), begun.Ref(), enough.Ref()}, proc.Share(seg))
	require.NoError(t, err)
	defer child.Close()
	require.NoError(t, begun.Wait(bounded(t)))
	for range 100 {
		require.NoError(t, mu.Lock(within(t, 5*time.Second)), "promised is a second, on a machine that has one to spare")
		require.NoError(t, mu.Unlock())
	}
	require.NoError(t, enough.Set())
	require.NoError(t, child.Wait(bounded(t)))
}

// TestAGoroutineDoesNotStarveAnother is the same in one process.
func TestAGoroutineDoesNotStarveAnother(t *testing.T) {
	a, b := mutexes(t)
	for _, other := range []*sync.Mutex{a, b} {
		done, ended := make(chan struct{}), make(chan error)
		go func() {
			for {
				select {
				case <-done:
					ended <- nil
					return
				default:
				}
				if err := a.Lock(context.Background()); err != nil {
					ended <- err
					return
				}
				if err := a.Unlock(); err != nil {
					ended <- err
					return
				}
			}
		}()
		for range 100 {
			require.NoError(t, other.Lock(within(t, 5*time.Second)))
			require.NoError(t, other.Unlock())
		}
		close(done)
		require.NoError(t, <-ended)
	}
}

// TestALockLeftToSomebodyWhoGaveUpIsFree: whoever starved and is gone leaves nothing that others wait for.
func TestALockLeftToSomebodyWhoGaveUpIsFree(t *testing.T) {
	a, b := mutexes(t)
	require.NoError(t, a.Lock(bounded(t)))
	ctx, cancel := context.WithCancel(bounded(t))
	gone := make(chan error)
	go func() { gone <- b.Lock(ctx) }()
	require.Eventually(t, func() bool { return sync.Urgent(a) }, time.Minute, 100*time.Microsecond)
	owner, _ := a.Owner()
	require.WithinDuration(t, time.Now(), owner.Since, time.Minute)
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.False(t, sync.Urgent(a))
	require.NoError(t, a.Unlock())
	got, err := b.TryLock()
	require.NoError(t, err)
	require.True(t, got)
	require.NoError(t, b.Unlock())
}
