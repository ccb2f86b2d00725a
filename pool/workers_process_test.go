package pool_test

import (
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
)

func TestWorkersShowsWhatEachWorkerDoes(t *testing.T) {
	p := newPool(t, 2, pool.Retry(1))
	path, open := newGate(t)
	begin := time.Now()
	call := start(testContext(t), p, gate, path)
	w := running(t, p, "gate")
	all := p.Workers()
	require.Len(t, all, 2)
	for id, worker := range all {
		require.Equal(t, id, worker.ID)
		require.NoError(t, syscall.Kill(worker.Pid, 0))
		require.Equal(t, worker.ID == w.ID, worker.Running != nil)
	}
	require.NotEqual(t, all[0].Pid, all[1].Pid)
	require.Equal(t, path, w.Running.Input)
	require.Equal(t, 1, w.Running.Attempt)
	require.WithinRange(t, w.Running.Since, begin, time.Now())

	kill(t, w.Pid, syscall.SIGKILL)
	eventually(t, func() bool { return p.Workers()[w.ID].Pid != w.Pid })
	w = running(t, p, "gate")
	require.Equal(t, path, w.Running.Input)
	require.Equal(t, 2, w.Running.Attempt)
	open()
	require.Equal(t, w.Pid, (<-call).value)
	for _, worker := range p.Workers() {
		require.Nil(t, worker.Running)
	}
}

func TestWorkersMayBeAskedWhileCallsComeAndGo(t *testing.T) {
	p := newPool(t, 2, pool.Retry(100))
	over := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				for _, w := range p.Workers() {
					if w.Running != nil && (w.Running.Task != "double" || w.Running.Input.(int) >= 1000) {
						t.Error(w.Running)
					}
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	taken := 0
	for _, err := range double.Map(testContext(t), p, numbers(1000, &taken)) {
		require.NoError(t, err)
		if taken%300 == 0 {
			for _, pid := range pids(p) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	close(over)
	wg.Wait()
}

func TestEventsComeOneAtATimeAndInOrder(t *testing.T) {
	var busy sync.Mutex
	var d diary
	p := newPool(t, 3, pool.Retry(100), pool.OnEvent(func(e pool.Event) {
		if !busy.TryLock() {
			t.Error("two events at a time")
		}
		d.mu.Lock()
		d.events = append(d.events, e)
		d.mu.Unlock()
		busy.Unlock()
	}))
	taken := 0
	for _, err := range double.Map(testContext(t), p, numbers(300, &taken)) {
		require.NoError(t, err)
		if taken%50 == 0 {
			for _, pid := range pids(p) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	requireWorks(t, p)

	// Of each worker's processes, one after the other: started, then lost.
	alive := map[int]int{} // pid by worker
	seen := map[int]bool{} // pids
	lost := 0
	for _, e := range d.all() {
		switch e.Kind {
		case pool.WorkerStarted:
			require.Zero(t, alive[e.ID])
			require.False(t, seen[e.Pid])
			alive[e.ID], seen[e.Pid] = e.Pid, true
		case pool.WorkerLost:
			require.Equal(t, alive[e.ID], e.Pid)
			require.Equal(t, syscall.SIGKILL, e.Signal)
			alive[e.ID] = 0
			lost++
		case pool.TaskRetried:
			require.True(t, seen[e.Pid])
			require.GreaterOrEqual(t, e.Attempt, 2)
			require.Equal(t, "double", e.Task)
		}
	}
	require.NotZero(t, lost)
	for _, pid := range pids(p) {
		require.Contains(t, seen, pid)
	}
}

func TestOneProcessorIsEnoughForEach(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := newPool(t, 2, pool.Process(proc.GOMAXPROCS(1)))
	requireManyCalls(t, p)
}

func TestCallsWorkWithEveryWayOfWaiting(t *testing.T) {
	for _, policy := range []ring.Policy{ring.Adaptive, ring.Park, ring.Spin} {
		p := newPool(t, 2, pool.Waiting(policy))
		requireManyCalls(t, p)
		shutDown(t, p)
	}
}

func requireManyCalls(t *testing.T, p *pool.Pool) {
	t.Helper()
	ctx := testContext(t)
	next, taken := 0, 0
	for got, err := range double.Map(ctx, p, numbers(200, &taken)) {
		require.NoError(t, err)
		require.Equal(t, 2*next, got)
		next++
	}
	requireEcho(t, p, echoBytes, make([]byte, 1<<20))
	_, err := ending.Call(ctx, p, "SIGKILL")
	require.Error(t, err)
	requireWorks(t, p)
}

func TestEventKindsHaveNames(t *testing.T) {
	require.Equal(t, "worker started", pool.WorkerStarted.String())
	require.Equal(t, "worker lost", pool.WorkerLost.String())
	require.Equal(t, "task retried", pool.TaskRetried.String())
	require.Equal(t, "worker failed", pool.WorkerFailed.String())
	require.Equal(t, "worker given up", pool.WorkerGivenUp.String())
	require.Equal(t, "unknown event", pool.EventKind(99).String())
}

// A task may have a pool of its own.
func TestTaskMayUseAPoolOfItsOwn(t *testing.T) {
	p := newPool(t, 1)
	got, err := inner.Call(testContext(t), p, 10)
	require.NoError(t, err)
	require.Equal(t, 90, got)
}
