package pool_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

func TestBroadcastRunsOnceOnEachWorker(t *testing.T) {
	p := newPool(t, 3)
	for range 20 {
		got, err := pid.Broadcast(testContext(t), p, struct{}{})
		require.NoError(t, err)
		require.Len(t, got, 3)
		for id, w := range p.Workers() {
			require.Equal(t, pool.WorkerResult[int]{ID: id, Pid: w.Pid, Out: w.Pid}, got[id])
		}
	}
}

func TestBroadcastWaitsForEachWorkerAndComesBeforeThoseWhoTakeAny(t *testing.T) {
	p, open := occupied(t)
	ctx := testContext(t)
	path := t.TempDir() + "/lines"
	behind := write.Go(ctx, p, [2]string{path, "2"})
	done := make(chan error)
	go func() {
		_, err := write.Broadcast(ctx, p, [2]string{path, "1"})
		done <- err
	}()
	eventually(t, func() bool { return pool.Waiters(p) == 2 })
	require.NoError(t, p.Close(), "what came before is done")
	open()
	require.NoError(t, <-done)
	_, err := behind.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, "12", read(t, path))
}

func TestBroadcastHasTheErrorOfEachWorkerByItself(t *testing.T) {
	p := newPool(t, 2)
	victim := p.Workers()[1].Pid
	got, err := killed.Broadcast(testContext(t), p, victim)
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, victim, died.Pid)
	require.NoError(t, got[0].Err)
	require.Equal(t, p.Workers()[0].Pid, got[0].Out)
	require.Equal(t, err, got[1].Err)
	requireWorks(t, p)
}

// killed ends its process, if it is that one.
var killed = pool.Task("killed", func(_ context.Context, victim int) (int, error) {
	if pid := syscall.Getpid(); pid != victim {
		return pid, nil
	}
	_ = syscall.Kill(victim, syscall.SIGKILL)
	blockForEver()
	return 0, nil
})

func TestBroadcastToAWorkerThatDiesBeforeGoesToTheNextInItsPlace(t *testing.T) {
	p := newPool(t, 2, pool.Retry(1))
	victim := p.Workers()[1].Pid
	got, err := killed.Broadcast(testContext(t), p, victim)
	require.NoError(t, err)
	require.Equal(t, 1, got[1].ID)
	require.NotEqual(t, victim, got[1].Pid)
	require.Equal(t, got[1].Pid, got[1].Out)
}

func TestBroadcastEndsWithItsContext(t *testing.T) {
	p, open := occupied(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := double.Broadcast(ctx, p, 1)
		done <- err
	}()
	eventually(t, func() bool { return pool.Waiters(p) == 1 })
	cancel()
	require.Equal(t, context.Canceled, <-done)
	open()
	requireWorks(t, p)
}

func TestBroadcastOnAPoolThatIsClosedOrTerminatedIsRefused(t *testing.T) {
	p, _ := occupied(t)
	done := make(chan error)
	go func() {
		_, err := double.Broadcast(testContext(t), p, 1)
		done <- err
	}()
	eventually(t, func() bool { return pool.Waiters(p) == 1 })
	p.Terminate()
	require.Equal(t, pool.ErrClosed, <-done)
	_, err := double.Broadcast(testContext(t), p, 1)
	require.Equal(t, pool.ErrClosed, err)
}

func TestBroadcastToAWorkerThatWasGivenUpFailsForItAlone(t *testing.T) {
	p := newPool(t, 2, mode("only the first two", t.TempDir()))
	requireWorks(t, p) // so none of the two was in vain
	kill(t, pids(p)[0], syscall.SIGKILL)
	got, err := pid.Broadcast(testContext(t), p, struct{}{}) // waits for the replacement, or comes too late
	require.ErrorIs(t, err, pool.ErrBroken)
	require.NoError(t, got[1].Err)
	got, err = pid.Broadcast(testContext(t), p, struct{}{})
	require.ErrorIs(t, err, pool.ErrBroken)
	require.ErrorIs(t, got[0].Err, pool.ErrBroken)
	require.Equal(t, pids(p)[0], got[1].Out)
}

func TestBroadcastIsToldThatAWorkerWasTakenAwayThoughThatDied(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	for range 2 {
		_ = start(ctx, p, hold, "")
	}
	eventually(t, func() bool { return p.Workers()[0].Running != nil && p.Workers()[1].Running != nil })
	var got []pool.WorkerResult[int]
	done := make(chan error)
	go func() {
		var err error
		got, err = pid.Broadcast(ctx, p, struct{}{})
		done <- err
	}()
	eventually(t, func() bool { return pool.Waiters(p) == 2 })
	require.NoError(t, p.Resize(ctx, 1))
	kill(t, p.Workers()[1].Pid, syscall.SIGKILL)
	eventually(t, func() bool { return pool.Waiters(p) == 1 })
	kill(t, p.Workers()[0].Pid, syscall.SIGKILL)
	require.ErrorContains(t, <-done, "taken away")
	require.NoError(t, got[0].Err)
	require.ErrorContains(t, got[1].Err, "taken away")
	requireWorks(t, p)
}
