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

func TestCloseReturnsAtOnceAndWhatWasCalledBeforeIsDone(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	path, open := newGate(t)
	has := start(testContext(t), p, gate, path)
	running(t, p, "gate")
	waits := start(testContext(t), p, double, 1)
	eventually(t, func() bool { return pool.Waiters(p) == 1 })

	require.NoError(t, p.Close())
	_, err := double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrClosed)
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Join(soon), context.DeadlineExceeded, "two calls are not over")
	require.ErrorIs(t, p.Shutdown(soon), context.DeadlineExceeded)
	require.Equal(t, before, pids(p))

	open()
	require.Equal(t, outcome[int]{value: before[0]}, <-has)
	require.Equal(t, outcome[int]{value: 2}, <-waits)
	require.NoError(t, p.Join(testContext(t)))
	requireGone(t, before...)
}

func TestJoinBeforeCloseIsAnError(t *testing.T) {
	p := newPool(t, 1)
	require.ErrorIs(t, p.Join(testContext(t)), pool.ErrNotClosed)
	requireWorks(t, p)
	shutDown(t, p)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, p.Join(over), "what need not wait succeeds without a look at its context")
	require.NoError(t, p.Shutdown(over))
}

func TestJoinWithAContextThatIsOverDoesNotWait(t *testing.T) {
	p := newPool(t, 1)
	call := start(testContext(t), p, ignore, "")
	running(t, p, "ignore")
	require.NoError(t, p.Close())
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, p.Join(over), context.Canceled)
	terminate(t, p)
	require.Error(t, (<-call).err)
}

func TestCloseEndsTheWorkersInOrder(t *testing.T) {
	var d diary
	p := newPool(t, 2, d.option())
	before := pids(p)
	shutDown(t, p)
	requireGone(t, before...)
	require.Empty(t, pids(p))
	require.Empty(t, d.wait(t, pool.WorkerLost, 0))
}

func TestWorkerThatDiesAfterCloseIsReplacedForTheCallsThatWait(t *testing.T) {
	p := newPool(t, 1, pool.Retry(1))
	path, open := newGate(t)
	first := start(testContext(t), p, gate, path)
	victim := running(t, p, "gate").Pid
	second := start(testContext(t), p, double, 4)
	eventually(t, func() bool { return pool.Waiters(p) == 1 })
	require.NoError(t, p.Close())
	kill(t, victim, syscall.SIGKILL)
	require.Equal(t, outcome[int]{value: 8}, <-second)
	open()
	got := <-first
	require.NoError(t, got.err)
	require.NotEqual(t, victim, got.value)
	require.NoError(t, p.Join(testContext(t)))
	requireGone(t, victim, got.value)
}

func TestEveryEndMayBeAskedForAgainByAnyone(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			var err error
			switch i % 5 {
			case 0:
				err = p.Close()
			case 1:
				err = p.Shutdown(context.Background())
			case 2:
				if err = p.Join(context.Background()); err == pool.ErrNotClosed {
					err = nil
				}
			case 3:
				_, err = double.Call(context.Background(), p, 1)
				_ = p.Close()
				if err == pool.ErrClosed {
					err = nil
				}
			case 4:
				err = p.Close()
				p.Terminate()
			}
			if _, died := err.(*pool.WorkerDied); err != nil && !died {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	shutDown(t, p)
	requireGone(t, before...)
}

// The pool waits for the function that hears of its events, and not the other way round.
func TestPoolMayBeEndedByWhoHearsOfItsEvents(t *testing.T) {
	for _, end := range []func(*pool.Pool) error{
		(*pool.Pool).Close,
		func(p *pool.Pool) error { p.Terminate(); return nil },
		func(p *pool.Pool) error {
			if err := p.Shutdown(context.Background()); err != pool.ErrWithin {
				return err
			}
			return nil
		},
	} {
		var p *pool.Pool
		made, ended := make(chan struct{}), make(chan error, 2)
		p = newPool(t, 2, pool.OnEvent(func(e pool.Event) {
			if e.Kind == pool.WorkerLost {
				<-made
				ended <- end(p)
			}
		}))
		close(made)
		before := pids(p)
		kill(t, before[0], syscall.SIGKILL)
		require.NoError(t, <-ended)
		require.NoError(t, p.Join(testContext(t)))
		requireGone(t, before...)
	}
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
	shutDown(t, p)
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
	require.NoError(t, p.Join(testContext(t)))
	requireGone(t, before...)
}

func TestTerminateAfterCloseEndsWhatCloseWouldHaveWaitedFor(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	has := start(testContext(t), p, ignore, "")
	running(t, p, "ignore")
	waits := start(testContext(t), p, double, 1)
	eventually(t, func() bool { return pool.Waiters(p) == 1 })
	require.NoError(t, p.Close())
	p.Terminate()
	require.Error(t, (<-has).err)
	require.ErrorIs(t, (<-waits).err, pool.ErrClosed)
	require.NoError(t, p.Join(testContext(t)))
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
	terminate(t, p) // returns when everything is gone, whoever began it
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
	shutDown(t, p)
}

func TestCloseKillsWhatIsStillAtATaskThatWasGivenUp(t *testing.T) {
	p := newPool(t, 1, pool.Grace(time.Millisecond))
	before := pids(p)
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, ignore, "")
	running(t, p, "ignore")
	cancel()
	require.ErrorIs(t, (<-call).err, context.Canceled)
	shutDown(t, p)
	requireGone(t, before...)
}
