package pool_test

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

// blocked blocks until the test is at its end.
func blocked(t *testing.T) func() {
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	return func() { <-over }
}

// untilItsEnd tells begun, and waits for the end of its context.
func untilItsEnd(begun chan<- struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestLocalFinalizerHasTheGracePeriod(t *testing.T) {
	for how, do := range map[string]func(){"block": blocked(t), "Goexit": runtime.Goexit} {
		var d diary
		finalizer := hooked(t, func(context.Context) error { do(); return nil })
		p := newLocal(t, 1, pool.Grace(time.Millisecond), pool.TasksPerWorker(1),
			pool.Finalizer(hook, finalizer), d.option())
		for range 3 { // of which each has a worker of its own
			_, err := double.Call(testContext(t), p, 1)
			require.NoError(t, err, how)
		}
		require.NoError(t, p.Resize(testContext(t), 2))
		require.NoError(t, p.Resize(testContext(t), 1))
		shutDown(t, p)
		for _, e := range d.wait(t, pool.WorkerRetired, 3) {
			require.Error(t, e.Err, how)
		}
		require.Empty(t, d.wait(t, pool.WorkerLost, 0))
	}
}

func TestLocalFinalizerIsGivenUpByTerminate(t *testing.T) {
	begun, block := make(chan struct{}, 1), blocked(t)
	p := newLocal(t, 1, pool.Grace(-1), pool.Finalizer(hook, hooked(t, func(ctx context.Context) error {
		begun <- struct{}{}
		block()
		return nil
	})))
	require.NoError(t, p.Close())
	<-begun
	terminate(t, p)
}

func TestLocalInitializerSeesTheEndOfNewsContext(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		begun, block := make(chan struct{}, 1), blocked(t)
		ctx, cancel := context.WithCancel(context.WithValue(testContext(t), derivedKey{}, 1))
		name := hooked(t, func(ctx context.Context) error {
			if ctx.Value(derivedKey{}) != nil {
				t.Error("no values of New's context")
			}
			begun <- struct{}{}
			if heeds {
				<-ctx.Done()
				return ctx.Err()
			}
			block()
			return nil
		})
		go func() {
			<-begun
			cancel()
		}()
		_, err := pool.New(ctx, pool.Local(), pool.Workers(1), pool.Initializer(hook, name))
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestCloseGivesUpALocalReplacementThatDoesNotGetReady(t *testing.T) {
	begun, n := make(chan struct{}, 1), 0
	p := newLocal(t, 1, pool.TasksPerWorker(1), pool.Initializer(hook, hooked(t, func(ctx context.Context) error {
		if n++; n == 1 {
			return nil
		}
		return untilItsEnd(begun)(ctx)
	})))
	_, err := double.Call(testContext(t), p, 1)
	require.NoError(t, err)
	<-begun
	shutDown(t, p)
}

func TestLocalInitializerThatEndsItsGoroutineHasFailed(t *testing.T) {
	returned := make(chan error, 1)
	go func() {
		defer close(returned)
		_, err := pool.New(testContext(t), pool.Local(), pool.Initializer(setUp, settings{Directory: t.TempDir(), How: "Goexit"}))
		returned <- err
	}()
	require.ErrorContains(t, <-returned, `task "setUp": it called runtime.Goexit`)

	var n atomic.Int32 // Close may leave the last one to itself
	p := newLocal(t, 1, pool.TasksPerWorker(1), pool.Initializer(hook, hooked(t, func(context.Context) error {
		if n.Add(1) == 2 {
			runtime.Goexit()
		}
		return nil
	})))
	for range 3 {
		_, err := double.Call(testContext(t), p, 1)
		require.NoError(t, err)
	}
	shutDown(t, p)
	require.GreaterOrEqual(t, n.Load(), int32(4))
}

func TestLocalWorkerThatIsKilledIsNotFinalized(t *testing.T) {
	var finalized atomic.Int32
	name := hooked(t, func(context.Context) error { finalized.Add(1); return nil })
	p := newLocal(t, 3, pool.Finalizer(hook, name))
	terminate(t, p)
	require.Zero(t, finalized.Load())

	unlucky := settings{Directory: t.TempDir(), After: 2, How: "error"}
	_, err := pool.New(testContext(t), pool.Local(), pool.Workers(3),
		pool.Initializer(setUp, unlucky), pool.Finalizer(hook, name))
	require.ErrorContains(t, err, "no luck")
	require.Zero(t, finalized.Load())

	p = newLocal(t, 3, pool.Finalizer(hook, name))
	shutDown(t, p)
	require.EqualValues(t, 3, finalized.Load())
}

func TestLocalWorkerIsFinalizedWhenItsTaskIsAtItsEnd(t *testing.T) {
	finalized := make(chan struct{})
	p := newLocal(t, 1, pool.Grace(wait), pool.Finalizer(hook, hooked(t, func(context.Context) error {
		close(finalized)
		return nil
	})))
	open := giveUp(t, p)
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, p.Shutdown(soon))
	select {
	case <-finalized:
		t.Fatal("before the end of its task")
	default:
	}
	open()
	shutDown(t, p)
	<-finalized
}

func TestTerminateAfterCloseReachesALocalTaskThatWasGivenUp(t *testing.T) {
	p := newLocal(t, 1, pool.Grace(-1))
	defer giveUp(t, p)()
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, p.Shutdown(soon))
	p.Terminate()
	require.NoError(t, p.Join(testContext(t)))
	require.EqualValues(t, 1, p.Stats().Cancelled)
	require.Zero(t, p.Stats().Lost)
}

// giveUp has a task of p's ignore that it was given up, until open is called.
func giveUp(t *testing.T, p *pool.Pool) (open func()) {
	path, open := newGate(t)
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, gate, path)
	running(t, p, "gate")
	cancel()
	require.Equal(t, context.Canceled, (<-call).err)
	return open
}

func TestLocalWorkerThatIsLeftToItselfIsADeath(t *testing.T) {
	var d diary
	p := newLocal(t, 1, pool.Grace(time.Millisecond), pool.RestartLimit(1, time.Hour), d.option())
	defer giveUp(t, p)()
	d.wait(t, pool.WorkerStarted, 2)
	require.EqualValues(t, 1, p.Stats().Restarts)
	require.EqualValues(t, 1, p.Stats().Cancelled)
	defer giveUp(t, p)()
	broken := d.wait(t, pool.PoolBroken, 1)[0]
	require.ErrorContains(t, broken.Err, "more than 1 died within 1h0m0s; the last: ")
	_, err := double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
	shutDown(t, p)
	require.Len(t, d.wait(t, pool.WorkerLost, 2), 2)

	p = newLocal(t, 2, pool.Grace(time.Millisecond), pool.BreakOnDeath())
	neighbour := start(testContext(t), p, hold, "")
	running(t, p, "hold")
	defer giveUp(t, p)()
	requireBrokenBy(t, (<-neighbour).err, os.Getpid())
	_, err = double.Call(testContext(t), p, 1)
	requireBrokenBy(t, err, os.Getpid())
	shutDown(t, p)
}

func TestTerminateCountsLocalCallsAsLost(t *testing.T) {
	p := newLocal(t, 1)
	path, open := newGate(t)
	defer open()
	call := start(testContext(t), p, gate, path)
	running(t, p, "gate")
	terminate(t, p)
	var died *pool.WorkerDied
	require.ErrorAs(t, (<-call).err, &died)
	require.Equal(t, pool.WorkerDied{
		Task: "gate", Pid: os.Getpid(), Code: -1, Signal: syscall.SIGKILL, Attempts: 1}, *died)
	require.EqualValues(t, 1, p.Stats().Lost)
}
