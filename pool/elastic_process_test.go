package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/pool"
)

func TestWorkerIsReplacedAfterItsShareOfTasks(t *testing.T) {
	var d diary
	s := settings{Directory: t.TempDir()}
	p := newPool(t, 1, pool.TasksPerWorker(3), pool.Finalizer(tearDown, s), pool.RestartLimit(0, time.Hour), d.option())
	var by []int
	for range 10 {
		got, err := pid.Call(testContext(t), p, struct{}{})
		require.NoError(t, err)
		by = append(by, got)
	}
	for i, one := range by {
		require.Equal(t, by[i/3*3], one)
		require.False(t, i%3 == 0 && slices.Contains(by[:i], one))
	}
	for i, e := range d.wait(t, pool.WorkerRetired, 3) {
		require.Equal(t, by[3*i], e.Pid)
		require.NoError(t, e.Err)
		require.FileExists(t, filepath.Join(s.Directory, fmt.Sprint("down ", e.Pid)))
	}
	require.Empty(t, d.wait(t, pool.WorkerLost, 0))
	requireGone(t, by[0], by[3], by[6])
}

func TestManyCallsAreServedByWorkersOfOneTaskEach(t *testing.T) {
	p := newPool(t, 2, pool.TasksPerWorker(1))
	ctx := testContext(t)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			if got, err := double.Call(ctx, p, n); err != nil || got != 2*n {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
}

// A worker that does not end when it has done its share is killed after the grace period.
func TestWorkerThatDoesNotEndIsReplacedAllTheSame(t *testing.T) {
	var d diary
	p := newPool(t, 1, pool.TasksPerWorker(1), pool.Finalizer(tearDown, settings{How: "hang"}),
		pool.Grace(10*time.Millisecond), d.option())
	for n := range 2 {
		got, err := double.Call(testContext(t), p, n)
		require.NoError(t, err)
		require.Equal(t, 2*n, got)
	}
	require.Error(t, d.wait(t, pool.WorkerRetired, 1)[0].Err)
}

func TestImpossibleLimitsAreRefused(t *testing.T) {
	for _, wrong := range []pool.Option{
		pool.TasksPerWorker(0), pool.TasksPerWorker(-1), pool.MemoryLimit(0), pool.MemoryLimit(-1), pool.Retry(-1), pool.MaxMessage(-1),
		pool.Elastic(-1, time.Second), pool.Elastic(1, 0), pool.Elastic(3, time.Second), pool.Waiting(-1), pool.Waiting(77),
		pool.MemoryCap(0),
	} {
		_, err := pool.New(testContext(t), pool.Workers(2), wrong)
		require.ErrorIs(t, err, pool.ErrOption)
		require.NotErrorIs(t, err, errors.ErrUnsupported)
	}
}

// leak keeps so many MiB.
var leak = pool.Task("leak", func(_ context.Context, mib int) (int, error) {
	b := make([]byte, mib<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	leaked = append(leaked, b)
	return len(leaked), nil
})

var leaked [][]byte

func TestWorkerIsReplacedWhenItHasTooMuchMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := pool.New(testContext(t), pool.MemoryLimit(1<<30))
		require.ErrorIs(t, err, errors.ErrUnsupported)
		return
	}
	p := newPool(t, 1, pool.MemoryLimit(200<<20))
	before := pids(p)
	for range 3 {
		n, err := leak.Call(testContext(t), p, 1)
		require.NoError(t, err)
		require.NotZero(t, n)
	}
	require.Equal(t, before, pids(p))
	_, err := leak.Call(testContext(t), p, 200)
	require.NoError(t, err, "after the task, not amid it")
	n, err := leak.Call(testContext(t), p, 1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NotEqual(t, before, pids(p))
}

func TestTaskThatTakesMoreThanTheCapEndsItsWorker(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := pool.New(testContext(t), pool.MemoryCap(1<<30))
		require.ErrorIs(t, err, errors.ErrUnsupported)
		return
	}
	p := newPool(t, 1, pool.MemoryCap(1<<30))
	n, err := leak.Call(testContext(t), p, 1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = leak.Call(testContext(t), p, 2<<10-1) // in bytes what an int of 32 bits has room for
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	if !race.Enabled { // whose own memory comes to its end first
		require.Equal(t, 2, died.Code)
	}
	if !race.Enabled && bits.UintSize == 64 { // else the runtime says more behind it than is kept
		require.Contains(t, died.Stderr, "out of memory")
	}
	requireWorks(t, p)
}

func TestWorkersFollowTheDemand(t *testing.T) {
	const idle = 20 * time.Millisecond
	var d diary
	p := newPool(t, 3, pool.Elastic(1, idle), d.option())
	first := pids(p)
	require.Len(t, first, 1)
	for range 20 {
		_, err := double.Call(testContext(t), p, 1)
		require.NoError(t, err)
	}
	require.Equal(t, first, pids(p), "one is enough for one caller")

	// Seven callers at a time have three workers, and no more.
	var calls []<-chan outcome[int]
	var gates []func()
	for range 7 {
		path, open := newGate(t)
		calls, gates = append(calls, start(testContext(t), p, gate, path)), append(gates, open)
	}
	eventually(t, func() bool {
		return !slices.ContainsFunc(p.Workers(), func(w pool.Worker) bool { return w.Running == nil })
	})
	require.Len(t, d.wait(t, pool.WorkerStarted, 3), 3)
	begin := time.Now()
	for _, open := range gates {
		go open()
	}
	for _, call := range calls {
		require.NoError(t, (<-call).err)
	}

	require.Len(t, d.wait(t, pool.WorkerRetired, 2), 2)
	require.GreaterOrEqual(t, time.Since(begin), idle)
	eventually(t, func() bool { return len(pids(p)) == 1 })
	_, err := double.Call(testContext(t), p, 1)
	require.NoError(t, err)
	require.Empty(t, d.wait(t, pool.WorkerLost, 0))
}

func TestPoolMayBeWithoutAWorkerUntilThereIsWork(t *testing.T) {
	var d diary
	p := newPool(t, 2, pool.Elastic(0, time.Millisecond), d.option())
	require.Empty(t, pids(p))
	for n := range 5 {
		got, err := double.Call(testContext(t), p, n)
		require.NoError(t, err)
		require.Equal(t, 2*n, got)
		eventually(t, func() bool { return len(pids(p)) == 0 })
	}
	require.NoError(t, p.Shutdown(testContext(t)))

	// What cannot be started breaks the pool, and does not keep callers waiting.
	s := settings{Directory: t.TempDir(), How: "exit"}
	p = newPool(t, 2, pool.Elastic(0, time.Hour), pool.Initializer(setUp, s))
	_, err := double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
}

func TestResizeChangesTheNumberOfWorkers(t *testing.T) {
	var d diary
	p := newPool(t, 1, d.option())
	first := pids(p)
	require.NoError(t, p.Resize(testContext(t), 3))
	require.Equal(t, 3, p.Size())
	require.Len(t, pids(p), 3)
	require.Equal(t, first[0], pids(p)[0], "who is there stays")
	requireWorks(t, p)

	// Who is busy ends when his task has come back.
	var calls []<-chan outcome[int]
	var gates []func()
	for range 3 {
		path, open := newGate(t)
		calls, gates = append(calls, start(testContext(t), p, gate, path)), append(gates, open)
	}
	eventually(t, func() bool {
		return !slices.ContainsFunc(p.Workers(), func(w pool.Worker) bool { return w.Running == nil })
	})
	all := pids(p)
	require.NoError(t, p.Resize(testContext(t), 1))
	require.Equal(t, all, pids(p))
	for i, open := range gates {
		open()
		require.NoError(t, (<-calls[i]).err)
	}
	eventually(t, func() bool { return len(p.Workers()) == 1 })
	require.Equal(t, first, pids(p))
	requireWorks(t, p)
	require.Len(t, d.wait(t, pool.WorkerRetired, 2), 2)
	require.Empty(t, d.wait(t, pool.WorkerLost, 0))

	for _, n := range []int{0, -1, 4097, math.MaxInt} {
		require.ErrorIs(t, p.Resize(testContext(t), n), pool.ErrWorkers)
	}
	require.NoError(t, p.Shutdown(testContext(t)))
	require.ErrorIs(t, p.Resize(testContext(t), 2), pool.ErrClosed)
}

func TestResizeThroughManySizesLosesNoCall(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	var over atomic.Bool
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			for n := 0; !over.Load(); n++ {
				if got, err := double.Call(ctx, p, n); err != nil || got != 2*n {
					t.Error(got, err)
					return
				}
			}
		})
	}
	for _, n := range []int{6, 2, 1, 6, 3, 1, 5} {
		require.NoError(t, p.Resize(ctx, n))
		require.Equal(t, n, p.Size())
	}
	over.Store(true)
	wg.Wait()
	eventually(t, func() bool { return len(p.Workers()) == 5 && len(pids(p)) == 5 })
	requireWorks(t, p)
}

func TestResizeFailsWithTheErrorOfAStart(t *testing.T) {
	dir := t.TempDir()
	p := newPool(t, 2, mode("only the first two", dir))
	err := p.Resize(testContext(t), 4)
	require.ErrorContains(t, err, "pool: resize to 4 workers: worker ")
	taken := 0
	for _, err := range double.Map(testContext(t), p, numbers(20, &taken)) {
		require.NoError(t, err, "those that are there go on")
	}
	require.NoError(t, p.Resize(testContext(t), 2))
	requireWorks(t, p)
}

func TestResizeHasWorkersThatWereGivenUpTriedAgain(t *testing.T) {
	p := newPool(t, 2, mode("only the first two", t.TempDir()))
	requireWorks(t, p) // so none of the two was in vain
	kill(t, pids(p)[0], syscall.SIGKILL)
	_, err := pid.Broadcast(testContext(t), p, struct{}{})
	require.ErrorIs(t, err, pool.ErrBroken, "the first one's place is given up")

	// The one worker that there may be is that one.
	require.Error(t, p.Resize(testContext(t), 1))
	_, err = double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken, "it is tried again, and cannot be started")
	require.NoError(t, p.Shutdown(testContext(t)))
}
