package sync_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

type chore struct {
	Group, Taken shm.Ref
	Stay         bool
}

// helper takes a unit of work over, and does it, or stays.
var helper = proc.Func("sync_test.helper", func(ctx context.Context, c chore) error {
	seg := proc.Segments(ctx)[0]
	g, err := sync.WaitGroupFrom(seg, c.Group)
	if err != nil {
		return err
	}
	if err := g.Take(ctx, 1); err != nil {
		return err
	}
	taken, err := sync.SemaphoreFrom(seg, c.Taken)
	if err != nil {
		return err
	}
	if err := taken.Release(1); err != nil {
		return err
	}
	if c.Stay {
		select {}
	}
	return g.Done()
})

func TestAWaitGroupWaitsForProcesses(t *testing.T) {
	ctx := bounded(t)
	seg := anonymous(t)
	g, err := sync.NewWaitGroup(seg)
	require.NoError(t, err)
	taken, err := sync.NewSemaphore(seg, 0)
	require.NoError(t, err)
	require.NoError(t, g.Wait(over()), "there is no work")
	require.ErrorIs(t, g.Done(), sync.ErrCount)
	require.ErrorIs(t, g.Add(ctx, 0), sync.ErrCount)
	require.ErrorIs(t, g.Take(ctx, 1), sync.ErrCount)

	require.NoError(t, g.Add(ctx, 4))
	require.Equal(t, 4, g.Count())
	require.ErrorIs(t, g.Wait(over()), context.Canceled)
	for range 3 {
		child, err := helper.Start(ctx, chore{g.Ref(), taken.Ref(), false}, proc.Share(seg))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, child.Close()) })
	}
	require.NoError(t, taken.Acquire(ctx, 3))
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- g.Wait(ctx) }()
	}
	require.NoError(t, g.Done())
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Zero(t, g.Count())
}

func TestTheWorkOfTheDeadCountsAsDone(t *testing.T) {
	ctx := bounded(t)
	seg := anonymous(t)
	g, err := sync.NewWaitGroup(seg)
	require.NoError(t, err)
	taken, err := sync.NewSemaphore(seg, 0)
	require.NoError(t, err)
	for _, early := range []bool{true, false} {
		require.NoError(t, g.Add(ctx, 2))
		child, err := helper.Start(ctx, chore{g.Ref(), taken.Ref(), true}, proc.Share(seg))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, child.Close()) })
		require.NoError(t, taken.Acquire(ctx, 1))
		done := make(chan error)
		if early {
			go func() { done <- g.Wait(ctx) }()
		}
		kill(t, child)
		require.NoError(t, g.Done(), "the other unit")
		if !early {
			go func() { done <- g.Wait(ctx) }()
		}
		require.ErrorIs(t, <-done, sync.ErrOwnerDied)
		require.NoError(t, g.Wait(ctx), "it is said once")
	}
}
