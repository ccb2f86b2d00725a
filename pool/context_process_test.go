package pool_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

var (
	// write puts its text at the end of a file.
	write = pool.Task("write", func(_ context.Context, in [2]string) (int, error) {
		f, err := os.OpenFile(in[0], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		return f.WriteString(in[1])
	})

	deadline = pool.Task("deadline", func(ctx context.Context, _ int) (int64, error) {
		at, ok := ctx.Deadline()
		if !ok {
			return 0, ctx.Err()
		}
		return at.UnixNano(), ctx.Err()
	})

	// holdDerived waits for a context that was made of the task's.
	holdDerived = pool.Task("hold derived", func(ctx context.Context, _ int) (int, error) {
		ctx, cancel := context.WithTimeout(context.WithValue(ctx, derivedKey{}, 1), time.Hour)
		defer cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	})
)

type derivedKey struct{}

func TestTaskIsNotBegunWhenItsContextIsOver(t *testing.T) {
	p := newPool(t, 1)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	path := t.TempDir() + "/lines"
	_, err := write.Call(over, p, [2]string{path, "never"})
	require.Equal(t, context.Canceled, err)
	_, err = write.Call(testContext(t), p, [2]string{path, "once"})
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "once", string(got))
}

func TestCallerThatGivesUpItsPlaceInTheQueueTakesNoWorkerAlong(t *testing.T) {
	p := newPool(t, 1)
	path, open := newGate(t)
	first := start(testContext(t), p, gate, path)
	running(t, p, "gate")
	before := pids(p)

	ctx, cancel := context.WithCancel(context.Background())
	second := start(ctx, p, double, 1)
	cancel()
	require.Equal(t, context.Canceled, (<-second).err)

	third := start(testContext(t), p, double, 1)
	open()
	require.NoError(t, (<-first).err)
	require.Equal(t, outcome[int]{value: 2}, <-third)
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

// Contexts end at all points between the queue and the reply; afterwards all workers are there.
func TestNoWorkerIsLostHoweverManyCallersGiveUp(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 500 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*20*time.Microsecond)
		defer cancel()
		wg.Go(func() {
			if got, err := double.Call(ctx, p, i); err == nil {
				done.Add(1)
				if got != 2*i {
					t.Errorf("double %d is %d", i, got)
				}
			} else if err != context.DeadlineExceeded {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestCancelReachesTheTask(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		call := start(ctx, p, hold, "")
		running(t, p, "hold")
		cancel()
		require.Equal(t, outcome[int]{err: context.Canceled}, <-call)
	}
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, holdDerived, 0)
	running(t, p, "hold derived")
	cancel()
	require.Error(t, (<-call).err)

	// The worker ends each by itself, long before the grace period does.
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestCancelConcernsOneTaskAlone(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	path, open := newGate(t)
	neighbour := start(testContext(t), p, gate, path)
	running(t, p, "gate")
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, hold, "")
	running(t, p, "hold")
	cancel()
	require.Equal(t, context.Canceled, (<-call).err)
	got, err := double.Call(testContext(t), p, 4)
	require.NoError(t, err, "on the worker that was cancelled")
	require.Equal(t, 8, got)
	open()
	require.NoError(t, (<-neighbour).err)
	require.Equal(t, before, pids(p))
}

func TestDeadlineReachesTheTask(t *testing.T) {
	p := newPool(t, 1)
	ctx := testContext(t)
	at, _ := ctx.Deadline()
	got, err := deadline.Call(ctx, p, 0)
	require.NoError(t, err)
	require.Equal(t, at.UnixNano(), got)

	got, err = deadline.Call(context.Background(), p, 0)
	require.NoError(t, err)
	require.Zero(t, got)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = hold.Call(ctx, p, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	requireWorks(t, p)
}

func TestTaskThatIgnoresItsContextLosesItsWorkerAfterTheGracePeriod(t *testing.T) {
	const grace = 50 * time.Millisecond
	for _, grace := range []time.Duration{0, grace} {
		var d diary
		p := newPool(t, 1, pool.Grace(grace), d.option())
		ctx, cancel := context.WithCancel(context.Background())
		call := start(ctx, p, ignore, "something")
		victim := running(t, p, "ignore").Pid
		begin := time.Now()
		cancel()
		require.Equal(t, context.Canceled, (<-call).err)
		lost := d.wait(t, pool.WorkerLost, 1)[0]
		require.GreaterOrEqual(t, time.Since(begin), grace)
		require.Equal(t, pool.Event{
			Kind: pool.WorkerLost, Pid: victim, Code: -1, Signal: syscall.SIGKILL,
			Task: "ignore", Input: "something", Attempt: 1, OOM: lost.OOM,
		}, lost)
		requireWorks(t, p)
		require.NotContains(t, pids(p), victim)
	}
}

func TestTaskKeepsItsWorkerWithoutAGracePeriod(t *testing.T) {
	p := newPool(t, 1, pool.Grace(-1))
	before := pids(p)
	path, open := newGate(t)
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, gate, path)
	running(t, p, "gate")
	cancel()
	require.Equal(t, context.Canceled, (<-call).err)
	require.Equal(t, "gate", p.Workers()[0].Running.Task, "it goes on")
	next := start(testContext(t), p, double, 1)
	open()
	require.Equal(t, outcome[int]{value: 2}, <-next)
	require.Equal(t, before, pids(p))
}

// A death and the end of the context at the same time: the worker is replaced at once, whichever is
// noticed first, and not when a grace period ends that nobody needs.
func TestWorkerThatDiesWhileItsCallerGivesUpIsReplaced(t *testing.T) {
	var d diary
	p := newPool(t, 1, pool.Grace(-1), d.option())
	for n := range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		call := start(ctx, p, ignore, "")
		victim := running(t, p, "ignore").Pid
		go cancel()
		kill(t, victim, syscall.SIGKILL)
		require.Error(t, (<-call).err)
		d.wait(t, pool.WorkerStarted, n+2)
	}
	requireWorks(t, p)
}
