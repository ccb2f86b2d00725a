package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

func TestTaskOfALocalPoolMayWaitForAnotherPool(t *testing.T) {
	p := newLocal(t, 1)
	_, err := hook.Call(testContext(t), p, hooked(t, func(ctx context.Context) error {
		q, err := pool.New(ctx, pool.Local(), pool.Workers(1))
		if err != nil {
			return err
		}
		if _, err := double.Call(ctx, q, 1); err != nil {
			return err
		}
		return q.Shutdown(ctx)
	}))
	require.NoError(t, err)
	shutDown(t, p)
}

func TestWhoHearsOfAPoolsEventsMayWaitForAnotherPool(t *testing.T) {
	other := newLocal(t, 1)
	heard := make(chan error, 1)
	p := newLocal(t, 1, pool.OnEvent(func(e pool.Event) {
		if e.Kind == pool.WorkerRetired {
			heard <- other.Shutdown(context.Background())
		}
	}))
	require.NoError(t, p.Resize(testContext(t), 2))
	require.NoError(t, p.Resize(testContext(t), 1))
	require.NoError(t, <-heard)
	shutDown(t, p)
}

func TestCallbackWaitsForTheCallbacksOfAnotherPool(t *testing.T) {
	p, other := newLocal(t, 1), newLocal(t, 1)
	ctx := testContext(t)
	called, goOn := make(chan struct{}), make(chan struct{})
	double.Go(ctx, other, 1).OnDone(func(int, error) {
		close(called)
		<-goOn
	})
	<-called
	joined := make(chan error, 2)
	double.Go(ctx, p, 1).OnDone(func(int, error) {
		soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		joined <- other.Shutdown(soon)
		joined <- p.Shutdown(ctx)
	})
	require.Equal(t, context.DeadlineExceeded, <-joined)
	require.NoError(t, <-joined, "of its own pool's, it waits for all but callbacks")
	close(goOn)
	require.NoError(t, other.Join(ctx))
	require.NoError(t, p.Join(ctx))
}

// A pool is told from others that are inside of it, and outside.
func TestJoinInsideOfSeveralPools(t *testing.T) {
	p := newLocal(t, 1)
	_, err := hook.Call(testContext(t), p, hooked(t, func(ctx context.Context) error {
		var inner error
		q, err := pool.New(ctx, pool.Local(), pool.Workers(1), pool.OnEvent(func(e pool.Event) {
			if e.Kind == pool.WorkerStarted { // New tells of it here
				inner = p.Shutdown(ctx)
			}
		}))
		if err != nil {
			return err
		}
		if inner != pool.ErrWithin {
			t.Error(inner)
		}
		return q.Shutdown(ctx)
	}))
	require.NoError(t, err)
	require.NoError(t, p.Join(testContext(t)))
}
