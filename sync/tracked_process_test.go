package sync_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// MP-089.
func TestABoundedSemaphoreIsNotReleasedBeyondItsBound(t *testing.T) {
	for _, option := range []shm.ObjectOption{sync.Bounded(), sync.Tracked()} {
		seg := anonymous(t)
		s, err := sync.NewSemaphore(seg, 2, option, shm.Named("seats"))
		require.NoError(t, err)
		require.NoError(t, s.Acquire(bounded(t), 2))
		got, err := s.TryAcquire(1)
		require.NoError(t, err)
		require.False(t, got)
		require.NoError(t, s.Release(1))
		require.ErrorIs(t, s.Release(2), sync.ErrCount)
		require.EqualValues(t, 1, s.Value())
		require.NoError(t, s.Release(1))
		require.ErrorIs(t, s.Release(1), sync.ErrCount)
		require.EqualValues(t, 2, s.Value())
		same, err := sync.OpenSemaphore(again(t, seg), "seats")
		require.NoError(t, err)
		require.NoError(t, same.Acquire(bounded(t), 1))
		require.EqualValues(t, 1, s.Value())
		require.NoError(t, same.Release(1))
		_, err = sync.NewSemaphore(seg, 0, option)
		require.ErrorIs(t, err, sync.ErrCount)
		_, err = sync.NewMutex(seg, option)
		require.ErrorIs(t, err, sync.ErrOption)
	}
}

type seat struct{ Seats, Taken shm.Ref }

// sitter takes two permits, gives one back, and stays.
var sitter = proc.Func("sync_test.sitter", func(ctx context.Context, s seat) error {
	seg := proc.Segments(ctx)[0]
	seats, err := sync.SemaphoreFrom(seg, s.Seats)
	if err != nil {
		return err
	}
	taken, err := sync.EventFrom(seg, s.Taken)
	if err != nil {
		return err
	}
	if err := errors.Join(seats.Acquire(ctx, 2), seats.Release(1), taken.Set()); err != nil {
		return err
	}
	select {}
})

func TestTrackedPermitsComeBackFromTheDead(t *testing.T) {
	ctx := bounded(t)
	seg := anonymous(t)
	seats, err := sync.NewSemaphore(seg, 2, sync.Tracked())
	require.NoError(t, err)
	taken, err := sync.NewEvent(seg)
	require.NoError(t, err)
	for _, wait := range []bool{true, false} {
		require.NoError(t, taken.Clear())
		child, err := sitter.Start(ctx, seat{seats.Ref(), taken.Ref()}, proc.Share(seg))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, child.Close()) })
		require.NoError(t, taken.Wait(ctx))
		require.ErrorIs(t, seats.Release(1), sync.ErrCount, "they are not this process's")
		if wait {
			done := make(chan error)
			go func() { done <- seats.Acquire(ctx, 2) }()
			kill(t, child)
			require.NoError(t, <-done)
		} else {
			kill(t, child)
			got, err := seats.TryAcquire(2)
			require.NoError(t, err)
			require.True(t, got)
		}
		require.NoError(t, seats.Release(2))
		require.EqualValues(t, 2, seats.Value())
	}
}

func TestATrackedSemaphoreGivesUpInTime(t *testing.T) {
	seg := anonymous(t)
	s, err := sync.NewSemaphore(seg, 1, sync.Tracked())
	require.NoError(t, err)
	require.NoError(t, s.Acquire(over(), 1), "who need not wait does not look at the context")
	require.ErrorIs(t, s.Acquire(over(), 1), context.Canceled)
	require.NoError(t, s.Release(1))
	require.EqualValues(t, 1, s.Value())
}
