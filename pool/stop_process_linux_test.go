package pool_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/pool"
)

func TestStoppedWorkerIsNotDeadAndItsCallEndsWithItsContext(t *testing.T) {
	var d diary
	p := newPool(t, 1, pool.Grace(-1), pool.Retry(1), d.option())
	stopped := pids(p)[0]
	require.NoError(t, proctest.Stop(stopped))
	// Longer than any safety net: time proves nothing.
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := double.Call(ctx, p, 1)
	require.Equal(t, context.DeadlineExceeded, err)
	require.Equal(t, []int{stopped}, pids(p))
	require.Empty(t, d.wait(t, pool.WorkerLost, 0))

	next := start(testContext(t), p, double, 2)
	kill(t, stopped, syscall.SIGCONT)
	require.Equal(t, outcome[int]{value: 4}, <-next)
	require.Equal(t, []int{stopped}, pids(p))
}

func TestTaskThatIsStoppedGoesOn(t *testing.T) {
	p := newPool(t, 1)
	path, open := newGate(t)
	call := start(testContext(t), p, gate, path)
	stopped := running(t, p, "gate").Pid
	require.NoError(t, proctest.Stop(stopped))
	kill(t, stopped, syscall.SIGCONT)
	open()
	require.Equal(t, outcome[int]{value: stopped}, <-call)
}

func TestStoppedWorkerIsReplacedAfterTheGracePeriod(t *testing.T) {
	p := newPool(t, 1, pool.Grace(10*time.Millisecond))
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, hold, "")
	stopped := running(t, p, "hold").Pid
	require.NoError(t, proctest.Stop(stopped))
	cancel()
	require.Equal(t, context.Canceled, (<-call).err)
	requireWorks(t, p)
	require.NotContains(t, pids(p), stopped)
	requireGone(t, stopped)
}

func TestCallThatGivesUpHalfWayThroughALargeInputLeavesAPoolThatWorks(t *testing.T) {
	p := newPool(t, 1, pool.Grace(-1))
	for range 8 {
		stopped := pids(p)[0]
		require.NoError(t, proctest.Stop(stopped))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		_, err := echoBytes.Call(ctx, p, make([]byte, 1<<20))
		require.Equal(t, context.DeadlineExceeded, err)
		// On a busy machine the time may be over before anything was sent. Then the worker is kept.
		_ = syscall.Kill(stopped, syscall.SIGCONT)
		requireWorks(t, p)
	}
}

func TestCloseKillsAWorkerThatIsStopped(t *testing.T) {
	p := newPool(t, 2, pool.Grace(10*time.Millisecond))
	before := pids(p)
	require.NoError(t, proctest.Stop(before[0]))
	shutDown(t, p)
	requireGone(t, before...)
}

// A worker is stopped wherever it is, many times, between its reply and the end of its claim, too.
func TestWhoIsSeenToRunATaskWhileItStandsStillDiesWithIt(t *testing.T) {
	const kills = 10
	var d diary
	p := newPool(t, 1, pool.Retry(kills), d.option())
	ctx := testContext(t)
	var work sync.WaitGroup
	var over atomic.Bool
	work.Go(func() {
		for !over.Load() {
			if got, err := double.Call(ctx, p, 4); err != nil || got != 8 {
				t.Error(got, err)
				return
			}
		}
	})
	for killed := 0; killed < kills && !t.Failed(); {
		w := p.Workers()[0]
		if w.Pid == 0 || proctest.Stop(w.Pid) != nil {
			continue
		}
		if p.Workers()[0].Running == nil {
			kill(t, w.Pid, syscall.SIGCONT)
			continue
		}
		kill(t, w.Pid, syscall.SIGKILL)
		killed++
		lost := d.wait(t, pool.WorkerLost, killed)
		require.Equal(t, "double", lost[killed-1].Task)
	}
	over.Store(true)
	work.Wait()
}
