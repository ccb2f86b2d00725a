package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

func newLocal(t *testing.T, n int, opts ...pool.Option) *pool.Pool {
	return newPool(t, n, append(opts, pool.Local())...)
}

func TestLocalPoolHasTheSameCalls(t *testing.T) {
	p := newLocal(t, 2)
	ctx := testContext(t)
	got, err := double.Call(ctx, p, 21)
	require.NoError(t, err)
	require.Equal(t, 42, got)
	here, err := pid.Call(ctx, p, struct{}{})
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), here)

	next, taken := 0, 0
	for got, err := range double.Map(ctx, p, numbers(100, &taken)) {
		require.NoError(t, err)
		require.Equal(t, 2*next, got)
		next++
	}
	require.Equal(t, 100, next)
	sum := 0
	for got, err := range double.MapUnordered(ctx, p, numbers(100, &taken)) {
		require.NoError(t, err)
		sum += got
	}
	require.Equal(t, 9900, sum)
	outs, err := pool.WaitAll(ctx, double.GoMany(ctx, p, []int{1, 2, 3})...)
	require.NoError(t, err)
	require.Equal(t, []int{2, 4, 6}, outs)
	all, err := double.Broadcast(ctx, p, 2)
	require.NoError(t, err)
	require.Equal(t, []pool.WorkerResult[int]{
		{ID: 0, Pid: os.Getpid(), Out: 4}, {ID: 1, Pid: os.Getpid(), Out: 4},
	}, all)
	requireLocalWorks(t, p)
	shutDown(t, p)
	_, err = double.Call(ctx, p, 1)
	require.Equal(t, pool.ErrClosed, err)
}

// requireLocalWorks is requireWorks where the workers cannot be told apart by their processes.
func requireLocalWorks(t *testing.T, p *pool.Pool) {
	t.Helper()
	ctx := testContext(t)
	var calls []<-chan outcome[int]
	var gates []func()
	for range p.Workers() {
		path, open := newGate(t)
		calls, gates = append(calls, start(ctx, p, gate, path)), append(gates, open)
	}
	for i, open := range gates {
		open()
		require.NoError(t, (<-calls[i]).err)
	}
}

func TestLocalPoolHasTheSameErrors(t *testing.T) {
	p := newLocal(t, 1, pool.MaxMessage(2000))
	ctx := testContext(t)
	_, err := oddFails.Call(ctx, p, 1)
	var panicked *pool.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "1", panicked.Value)
	require.Contains(t, panicked.Stack, "map_process_test.go")

	_, err = hasChannel.Call(ctx, p, struct{ C chan int }{})
	require.ErrorIs(t, err, pool.ErrUnencodable)
	_, err = makeBytes.Call(ctx, p, 2001)
	require.ErrorIs(t, err, pool.ErrTooLarge)
	_, err = countBytes.Call(ctx, p, make([]byte, 2001))
	require.ErrorIs(t, err, pool.ErrTooLarge)
	_, err = goexit.Call(ctx, p, 1)
	var failed *pool.TaskError
	require.ErrorAs(t, err, &failed)
	_, err = noFile.Call(ctx, p, "/none/such")
	require.ErrorAs(t, err, &failed)
	require.Contains(t, err.Error(), "/none/such")
	requireLocalWorks(t, p)
}

var (
	hasChannel = pool.Task("has a channel", func(context.Context, struct{ C chan int }) (int, error) { return 0, nil })
	makeBytes  = pool.Task("make bytes", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })
	countBytes = pool.Task("count bytes", func(_ context.Context, b []byte) (int, error) { return len(b), nil })
	goexit     = pool.Task("goexit", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
	noFile     = pool.Task("no file", func(_ context.Context, path string) (int, error) {
		_, err := os.ReadFile(path)
		return 0, err
	})
	// keep keeps and changes what it was given.
	keep = pool.Task("keep", func(_ context.Context, in []int) ([]int, error) {
		in[0]++
		return in, nil
	})
	hasValue = pool.Task("has value", func(ctx context.Context, _ int) (bool, error) {
		return ctx.Value(derivedKey{}) != nil, nil
	})
)

func TestLocalTasksShareNothingWithTheirCallers(t *testing.T) {
	p := newLocal(t, 1)
	in := []int{1, 2}
	out, err := keep.Call(testContext(t), p, in)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, in)
	require.Equal(t, []int{2, 2}, out)
	got, err := hasValue.Call(context.WithValue(testContext(t), derivedKey{}, 1), p, 0)
	require.NoError(t, err)
	require.False(t, got, "no values of the caller's context")
}

func TestLocalTasksHaveTheCallersOwnSegmentsAndFiles(t *testing.T) {
	first, second := twoSegments(t)
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer file.Close()
	name := hooked(t, func(ctx context.Context) error {
		if segments := proc.Segments(ctx); len(segments) != 2 || segments[0] != first || segments[1] != second {
			return fmt.Errorf("the segments are %v", segments)
		}
		if proc.File(ctx, 0) != file || proc.File(ctx, 1) != nil {
			return errors.New("another file")
		}
		return nil
	})
	p := newLocal(t, 2, pool.Process(proc.Share(first, second), proc.Files(file)), pool.TasksPerWorker(1))
	for range 5 {
		_, err := hook.Call(testContext(t), p, name)
		require.NoError(t, err)
	}
	shutDown(t, p)
	for _, s := range []*shm.Segment{first, second} {
		_, err := state.NewArray[int64](s, 1)
		require.NoError(t, err, "it is open")
	}
	_, err = file.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "it is open")
}

// None of them has an effect: a worker is not replaced for the memory of the program, nor limited, and none waits.
func TestLocalPoolHasNoLimitsOfMemoryAndNoSpares(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there, the options of memory are refused")
	}
	var d diary
	p := newLocal(t, 1, pool.MemoryLimit(1), pool.MemoryCap(1), pool.Spares(2), d.option())
	for range 3 {
		_, err := double.Call(testContext(t), p, 1)
		require.NoError(t, err)
	}
	require.Zero(t, p.Stats().Spare)
	shutDown(t, p)
	require.Len(t, d.wait(t, pool.WorkerStarted, 1), 1)
}

func TestLocalPoolRefusesWhatProcessesWouldBeRefused(t *testing.T) {
	_, err := pool.New(testContext(t), pool.Local(), pool.Process(proc.Share(nil)))
	require.ErrorIs(t, err, proc.ErrOption)
}

func TestLocalTaskSeesTheEndOfItsCallersContext(t *testing.T) {
	p := newLocal(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, hold, "")
	running(t, p, "hold")
	cancel()
	require.Equal(t, context.Canceled, (<-call).err)
	at := time.Now().Add(time.Minute)
	ctx, cancel = context.WithDeadline(context.Background(), at)
	defer cancel()
	got, err := deadline.Call(ctx, p, 0)
	require.NoError(t, err)
	require.Equal(t, at.UnixNano(), got)
}

func TestLocalTaskThatIgnoresItsContextIsLeftToItselfAfterTheGracePeriod(t *testing.T) {
	var d diary
	p := newLocal(t, 1, pool.Grace(time.Millisecond), d.option())
	path, open := newGate(t)
	defer open()
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, gate, path)
	running(t, p, "gate")
	cancel()
	require.Equal(t, context.Canceled, (<-call).err)
	lost := d.wait(t, pool.WorkerLost, 1)[0]
	require.Equal(t, pool.Event{
		Kind: pool.WorkerLost, Pid: os.Getpid(), Code: -1, Signal: syscall.SIGKILL, Task: "gate", Input: path, Attempt: 1,
	}, lost)
	requireLocalWorks(t, p)
	shutDown(t, p)
}

func TestTerminateOfALocalPoolReturnsItsCalls(t *testing.T) {
	p := newLocal(t, 1)
	path, open := newGate(t)
	defer open()
	call := start(testContext(t), p, gate, path)
	running(t, p, "gate")
	waits := start(testContext(t), p, double, 1)
	eventually(t, func() bool { return pool.Waiters(p) == 1 })
	terminate(t, p)
	var died *pool.WorkerDied
	require.ErrorAs(t, (<-call).err, &died)
	require.Equal(t, pool.ErrClosed, (<-waits).err)
}

func TestTaskOfALocalPoolMayEndIt(t *testing.T) {
	var p *pool.Pool
	endsPool = func() error { return p.Shutdown(context.Background()) }
	p = newLocal(t, 1)
	got, err := ends.Call(testContext(t), p, 1)
	require.NoError(t, err)
	require.Equal(t, pool.ErrWithin.Error(), got)
	require.NoError(t, p.Join(testContext(t)))
}

var (
	endsPool func() error // of the test, in its process
	ends     = pool.Task("ends", func(context.Context, int) (string, error) { return endsPool().Error(), nil })
)

// hook runs what its test has put down under that name.
var hook = pool.Task("hook", func(ctx context.Context, name string) (int, error) {
	f, _ := hooks.Load(name)
	return 1, f.(func(context.Context) error)(ctx)
})

var hooks sync.Map // of func(context.Context) error, by name

func hooked(t *testing.T, f func(ctx context.Context) error) (name string) {
	hooks.Store(t.Name(), f)
	return t.Name()
}
