package sync_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// rmutexes is one RMutex, through two participants.
func rmutexes(t testing.TB) (a, b *sync.RMutex) {
	t.Helper()
	s := anonymous(t)
	a, err := sync.NewRMutex(s)
	require.NoError(t, err)
	b, err = sync.RMutexFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}

func TestAHolderLocksAgain(t *testing.T) {
	a, b := rmutexes(t)
	ctx := bounded(t)
	h, err := a.Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, h.Lock(ctx))
	require.NoError(t, h.Lock(ctx))
	require.Equal(t, 3, h.Depth())
	for range 3 {
		other, err := b.TryLock()
		require.NoError(t, err)
		require.Nil(t, other, "locked until the last Unlock")
		_, held := b.Owner()
		require.True(t, held)
		require.NoError(t, h.Unlock())
	}
	_, held := b.Owner()
	require.False(t, held)
	require.ErrorIs(t, h.Unlock(), sync.ErrNotHeld)
	require.ErrorIs(t, h.Lock(ctx), sync.ErrNotHeld)
	require.ErrorIs(t, h.MarkConsistent(), sync.ErrNotHeld)

	other, err := b.TryLock()
	require.NoError(t, err)
	require.Equal(t, 1, other.Depth())
	_, err = a.Lock(over())
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, other.Unlock())
}

// TestAHoldOfAnotherGoroutineIsNoPermission: two goroutines of one process do not share a hold.
func TestAHoldOfAnotherGoroutineIsNoPermission(t *testing.T) {
	a, _ := rmutexes(t)
	h, err := a.Lock(bounded(t))
	require.NoError(t, err)
	second := make(chan error)
	go func() {
		h, err := a.Lock(bounded(t))
		if err == nil {
			err = h.Unlock()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("locked twice: %v", err)
	default:
	}
	require.NoError(t, h.Unlock())
	require.NoError(t, <-second)
}

func TestTheHoldOfADeadHolder(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewRMutex(s)
	require.NoError(t, err)
	gone := again(t, s)
	b, err := sync.RMutexFrom(gone, a.Ref())
	require.NoError(t, err)
	h, err := b.Lock(bounded(t))
	require.NoError(t, err)
	require.NoError(t, h.Lock(bounded(t)))
	require.NoError(t, gone.Close())
	require.ErrorIs(t, h.Unlock(), nil)
	require.ErrorIs(t, h.Unlock(), shm.ErrClosed)

	mine, err := a.Lock(bounded(t))
	require.ErrorIs(t, err, sync.ErrOwnerDied)
	require.NoError(t, mine.MarkConsistent())
	require.NoError(t, mine.Unlock())
}

func TestLockingAgainDoesNotAllocate(t *testing.T) {
	a, _ := rmutexes(t)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		h, err := a.Lock(ctx)
		if err != nil || h.Lock(ctx) != nil || h.Unlock() != nil || h.Unlock() != nil {
			panic("a hold that does not hold")
		}
	}))
}
