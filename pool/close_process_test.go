package pool_test

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

func TestCloseWaitsForTheCallsThatHaveAWorker(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	path, open := newGate(t)
	has := start(testContext(t), p, gate, path)
	running(t, p, "gate")
	waits := start(testContext(t), p, double, 1)

	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	require.ErrorIs(t, (<-waits).err, pool.ErrClosed)
	_, err := double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrClosed)
	select {
	case <-closed:
		require.Fail(t, "Close did not wait")
	default:
	}
	open()
	require.Equal(t, outcome[int]{value: before[0]}, <-has)
	require.NoError(t, <-closed)
	requireGone(t, before...)
}

func TestCloseEndsTheWorkersInOrder(t *testing.T) {
	var d diary
	p := newPool(t, 2, d.option())
	before := pids(p)
	require.NoError(t, p.Close())
	requireGone(t, before...)
	require.Empty(t, pids(p))
	require.Empty(t, d.wait(t, pool.WorkerLost, 0))
}

func TestCloseAndTerminateMayBeCalledAgainByAnyone(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if i%5 == 4 {
				p.Terminate()
			} else if err := p.Close(); err != nil {
				t.Error(err)
			}
			if _, err := double.Call(context.Background(), p, 1); err != pool.ErrClosed {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	requireGone(t, before...)
}

func TestCloseAmidCallsLosesNone(t *testing.T) {
	p := newPool(t, 2)
	var wg sync.WaitGroup
	started := make(chan struct{}, 100)
	for i := range 100 {
		wg.Go(func() {
			for n := i; ; n++ {
				got, err := double.Call(context.Background(), p, n)
				if err == pool.ErrClosed {
					return
				}
				if err != nil || got != 2*n {
					t.Error(got, err)
				}
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	<-started
	require.NoError(t, p.Close())
	wg.Wait()
}

func TestTerminateEndsTheCallsUnderWay(t *testing.T) {
	p := newPool(t, 2, pool.Retry(5))
	before := pids(p)
	first := start(testContext(t), p, ignore, "")
	running(t, p, "ignore")
	second := start(testContext(t), p, hold, "")
	running(t, p, "hold")
	waits := start(testContext(t), p, double, 1)
	p.Terminate()
	for _, err := range []error{(<-first).err, (<-second).err} {
		var died *pool.WorkerDied
		require.ErrorAs(t, err, &died)
		require.Equal(t, 1, died.Attempts)
		require.ErrorIs(t, err, pool.ErrClosed, "which is why it was not begun again")
	}
	require.ErrorIs(t, (<-waits).err, pool.ErrClosed)
	requireGone(t, before...)
}

func TestEndOfNewsContextTearsThePoolDown(t *testing.T) {
	ctx, cancel := context.WithCancel(testContext(t))
	p, err := pool.New(ctx, pool.Workers(2), pool.Process(proc.Stderr(nil)))
	require.NoError(t, err)
	before := pids(p)
	call := start(testContext(t), p, ignore, "")
	running(t, p, "ignore")
	cancel()
	require.Error(t, (<-call).err)
	p.Terminate() // returns when everything is gone, whoever began it
	requireGone(t, before...)
	_, err = double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrClosed)
}

func TestCloseGivesUpAReplacementThatDoesNotGetReady(t *testing.T) {
	p := newPool(t, 2, mode("only the first two, others hang", t.TempDir()))
	victim := pids(p)[0]
	kill(t, victim, syscall.SIGKILL)
	eventually(t, func() bool { return len(pids(p)) == 1 })
	_, err := double.Call(testContext(t), p, 1)
	require.NoError(t, err, "the other worker goes on")
	require.NoError(t, p.Close())
}

func TestCloseKillsWhatIsStillAtATaskThatWasGivenUp(t *testing.T) {
	p := newPool(t, 1, pool.Grace(time.Millisecond))
	before := pids(p)
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, ignore, "")
	running(t, p, "ignore")
	cancel()
	require.ErrorIs(t, (<-call).err, context.Canceled)
	require.NoError(t, p.Close())
	requireGone(t, before...)
}
