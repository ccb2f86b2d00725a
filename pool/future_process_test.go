package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

// occupied is a pool whose only worker is busy until open is called.
func occupied(t *testing.T, opts ...pool.Option) (p *pool.Pool, open func()) {
	p = newPool(t, 1, opts...)
	path, pass := newGate(t)
	call := start(testContext(t), p, gate, path)
	running(t, p, "gate")
	return p, func() {
		pass()
		require.NoError(t, (<-call).err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestFutureHasWhatCallWouldHaveReturned(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	good := double.Go(ctx, p, 21)
	got, err := good.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 42, got)
	<-good.Done()
	got, err = good.Result()
	require.NoError(t, err)
	require.Equal(t, 42, got)
	require.Equal(t, pool.StateSucceeded, good.State())

	bad := oddFails.Go(ctx, p, 1)
	_, err = bad.Wait(ctx)
	var panicked *pool.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, pool.StateFailed, bad.State())

	dies := ending.Go(ctx, p, "SIGKILL")
	_, err = dies.Wait(ctx)
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, syscall.SIGKILL, died.Signal)
	requireWorks(t, p)
}

func TestFutureThatIsNotDoneHasNoResult(t *testing.T) {
	p, open := occupied(t)
	ctx := testContext(t)
	f := double.Go(ctx, p, 1)
	require.Equal(t, pool.StatePending, f.State())
	_, err := f.Result()
	require.Equal(t, pool.ErrPending, err)
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = f.Wait(over)
	require.Equal(t, context.Canceled, err)
	require.Equal(t, pool.StatePending, f.State(), "it goes on")
	open()
	got, err := f.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, got)
	_, err = f.Wait(over)
	require.NoError(t, err)
}

func TestFuturesAndCallersGetTheirWorkerInTheOrderInWhichTheyCame(t *testing.T) {
	p, open := occupied(t)
	ctx := testContext(t)
	path := t.TempDir() + "/lines"
	var calls []<-chan outcome[int]
	for n := range 10 {
		in := [2]string{path, fmt.Sprint(n)}
		if n%2 == 0 {
			write.Go(ctx, p, in)
		} else {
			calls = append(calls, start(ctx, p, write, in))
		}
		eventually(t, func() bool { return pool.Waiters(p) == n+1 })
	}
	open()
	for _, call := range calls {
		require.NoError(t, (<-call).err)
	}
	shutDown(t, p)
	require.Equal(t, "0123456789", read(t, path))
}

func TestPendingFutureThatIsCancelledIsNeverBegun(t *testing.T) {
	p, open := occupied(t)
	ctx, cancel := context.WithCancel(testContext(t))
	path := t.TempDir() + "/lines"
	byHand := write.Go(ctx, p, [2]string{path, "never"})
	byContext := write.Go(ctx, p, [2]string{path, "never"})
	last := write.Go(testContext(t), p, [2]string{path, "once"})
	require.True(t, byHand.Cancel())
	require.True(t, byHand.Cancel(), "again")
	_, err := byHand.Result()
	require.Equal(t, context.Canceled, err)
	cancel()
	_, err = byContext.Wait(testContext(t))
	require.Equal(t, context.Canceled, err)
	require.Equal(t, pool.StateCancelled, byHand.State())
	require.Equal(t, pool.StateCancelled, byContext.State())
	require.Equal(t, 1, pool.Waiters(p))
	open()
	_, err = last.Wait(testContext(t))
	require.NoError(t, err)
	require.False(t, last.Cancel(), "it is done")
	require.Equal(t, "once", read(t, path))
}

func TestRunningFutureThatIsCancelledIsDoneAtOnceAndItsTaskHearsOfIt(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for range 5 {
		f := hold.Go(testContext(t), p, "")
		eventually(t, func() bool { return f.State() == pool.StateRunning })
		require.True(t, f.Cancel())
		_, err := f.Result()
		require.Equal(t, context.Canceled, err)

		ctx, cancel := context.WithCancel(context.Background())
		f = hold.Go(ctx, p, "")
		eventually(t, func() bool { return f.State() == pool.StateRunning })
		cancel()
		_, err = f.Wait(testContext(t))
		require.Equal(t, context.Canceled, err)
		require.Equal(t, pool.StateCancelled, f.State())
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestFuturesThatAreCancelledAtAnyTimeLoseNoWorker(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	ctx := testContext(t)
	var told atomic.Int64
	const n = 300
	for i := range n {
		f := double.Go(ctx, p, i)
		f.OnDone(func(got int, err error) {
			told.Add(1)
			if err == nil && got != 2*i || err != nil && err != context.Canceled {
				t.Error(got, err)
			}
		})
		for range i % 7 {
			runtime.Gosched()
		}
		cancelled := f.Cancel()
		<-f.Done()
		require.Equal(t, cancelled, f.State() == pool.StateCancelled)
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
	shutDown(t, p)
	require.EqualValues(t, n, told.Load())
}

func TestFutureWithAContextThatIsOverIsNotBegun(t *testing.T) {
	p := newPool(t, 1)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	path := t.TempDir() + "/lines"
	f := write.Go(over, p, [2]string{path, "never"})
	_, err := f.Wait(testContext(t))
	require.Equal(t, context.Canceled, err)
	requireWorks(t, p)
	require.NoFileExists(t, path)
}

func TestFutureOfAClosedPoolIsDoneAtOnce(t *testing.T) {
	p, open := occupied(t)
	ctx := testContext(t)
	before := double.Go(ctx, p, 4)
	require.NoError(t, p.Close())
	f := double.Go(ctx, p, 4)
	_, err := f.Result()
	require.Equal(t, pool.ErrClosed, err)
	require.Equal(t, pool.StateFailed, f.State())
	open()
	got, err := before.Wait(ctx)
	require.NoError(t, err, "it came before Close")
	require.Equal(t, 8, got)
	require.NoError(t, p.Join(ctx))
	called := make(chan error)
	f.OnDone(func(_ int, err error) { called <- err })
	require.Equal(t, pool.ErrClosed, <-called)
}

func TestTerminateEndsPendingFutures(t *testing.T) {
	p, _ := occupied(t)
	fs := double.GoMany(testContext(t), p, []int{1, 2, 3})
	terminate(t, p)
	for _, f := range fs {
		_, err := f.Result()
		require.Equal(t, pool.ErrClosed, err)
	}
}

func TestFutureWhoseWorkerDiesIsBegunAgainAsCallsAre(t *testing.T) {
	var d diary
	p := newPool(t, 1, pool.Retry(1), d.option())
	path, open := newGate(t)
	f := gate.Go(testContext(t), p, path)
	behind := double.GoMany(testContext(t), p, []int{1, 2, 3})
	victim := running(t, p, "gate").Pid
	kill(t, victim, syscall.SIGKILL)
	d.wait(t, pool.WorkerLost, 1) // it might still be let through the gate
	open()
	got, err := f.Wait(testContext(t))
	require.NoError(t, err)
	require.NotEqual(t, victim, got)
	outs, err := pool.WaitAll(testContext(t), behind...)
	require.NoError(t, err)
	require.Equal(t, []int{2, 4, 6}, outs)
	require.Len(t, d.wait(t, pool.TaskRetried, 1), 1)
}

func TestTenThousandPendingFuturesNeedNoGoroutinesAndNoThreads(t *testing.T) {
	p, open := occupied(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	goroutines, threads := runtime.NumGoroutine(), pprof.Lookup("threadcreate").Count()
	inputs, want := make([]int, 10_000), make([]int, 10_000)
	for i := range inputs {
		inputs[i], want[i] = i, 2*i
	}
	fs := double.GoMany(ctx, p, inputs)
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+4)
	open()
	outs, err := pool.WaitAll(ctx, fs...)
	require.NoError(t, err)
	require.True(t, slices.Equal(want, outs))
	require.LessOrEqual(t, pprof.Lookup("threadcreate").Count(), threads+16)
}

func TestCallbacksRunOneAfterTheOtherInOrderAndBeforeJoinReturns(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	var busy, most atomic.Int32
	var order []int
	for n := range 50 {
		f := double.Go(ctx, p, n)
		for k := range 2 {
			f.OnDone(func(got int, err error) {
				most.Store(max(most.Load(), busy.Add(1)))
				defer busy.Add(-1)
				if err != nil || got != 2*n {
					t.Error(got, err)
				}
				order = append(order, 2*n+k)
			})
		}
	}
	shutDown(t, p)
	require.EqualValues(t, 1, most.Load())
	require.Len(t, order, 100)
	for n := 0; n < 100; n += 2 {
		require.Less(t, slices.Index(order, n), slices.Index(order, n+1), "those of one future, in their order")
	}
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestCallbackThatPanicsOrEndsItsGoroutineHurtsNobody(t *testing.T) {
	var log syncBuffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	p := newPool(t, 1)
	f := double.Go(testContext(t), p, 1)
	var after []string
	f.OnDone(func(int, error) { panic("a bad one") })
	f.OnDone(func(int, error) { after = append(after, "after a panic") })
	f.OnDone(func(int, error) { runtime.Goexit() })
	f.OnDone(func(int, error) { after = append(after, "after Goexit") })
	requireWorks(t, p)
	shutDown(t, p)
	require.Equal(t, []string{"after a panic", "after Goexit"}, after)
	require.Contains(t, log.String(), "a bad one")
	require.Contains(t, log.String(), "future_process_test.go")
}

func TestCallbackMayUseThePoolAndEndIt(t *testing.T) {
	for name, end := range map[string]func(*pool.Pool) error{
		"Close":    (*pool.Pool).Close,
		"Shutdown": func(p *pool.Pool) error { return p.Shutdown(context.Background()) },
		"Terminate": func(p *pool.Pool) error {
			p.Terminate()
			return p.Join(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1)
			ctx := testContext(t)
			var got []error
			double.Go(ctx, p, 1).OnDone(func(n int, err error) {
				m, err2 := double.Call(ctx, p, n)
				if m != 4 {
					err2 = fmt.Errorf("%d", m)
				}
				// Submitted within a callback, and done before the pool ends.
				double.Go(ctx, p, m).OnDone(func(m int, err error) {
					if m != 8 {
						err = errors.Join(err, fmt.Errorf("%d", m))
					}
					got = append(got, err, end(p), end(p))
				})
				got = append(got, err, err2)
			})
			eventually(t, func() bool { return p.Join(ctx) == nil })
			require.Equal(t, []error{nil, nil, nil, nil, nil}, got)
		})
	}
}

func TestAsCompletedYieldsEachFutureOnceWhenItIsDone(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	path, open := newGate(t)
	slow := gate.Go(ctx, p, path)
	fast := double.Go(ctx, p, 1)
	<-fast.Done()
	var order []*pool.Future[int]
	for f, err := range pool.AsCompleted(ctx, slow, fast, slow, fast) {
		require.NoError(t, err)
		order = append(order, f)
		if len(order) == 1 {
			open()
		}
	}
	require.Equal(t, []*pool.Future[int]{fast, slow}, order)
	for range pool.AsCompleted[int](ctx) {
		require.Fail(t, "a future")
	}
}

func TestAsCompletedEndsWithItsContextAndSaysHowManyAreLeft(t *testing.T) {
	p, open := occupied(t)
	fs := double.GoMany(testContext(t), p, []int{1, 2, 3})
	require.True(t, fs[1].Cancel())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var got []*pool.Future[int]
	var last error
	for f, err := range pool.AsCompleted(ctx, fs...) {
		got, last = append(got, f), err
	}
	require.Equal(t, []*pool.Future[int]{fs[1], nil}, got)
	require.ErrorIs(t, last, context.Canceled)
	require.ErrorContains(t, last, "2 of 3 futures are not done")
	_, err := pool.WaitAll(ctx, fs...)
	require.ErrorIs(t, err, context.Canceled)
	open()
	outs, err := pool.WaitAll(testContext(t), fs...)
	require.Equal(t, context.Canceled, err, "of the one that was")
	require.Equal(t, []int{2, 0, 6}, outs)
}

func TestWaitFirstReturnsWhatIsDoneFirst(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	path, open := newGate(t)
	slow, fast := gate.Go(ctx, p, path), double.Go(ctx, p, 1)
	first, err := pool.WaitFirst(ctx, slow, fast)
	require.NoError(t, err)
	require.Same(t, fast, first)
	open()
	_, err = slow.Wait(ctx)
	require.NoError(t, err)
	none, err := pool.WaitFirst[int](ctx)
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestWaitSucceededCancelsTheOthersAtTheFirstError(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	outs, err := pool.WaitSucceeded(ctx, double.GoMany(ctx, p, []int{1, 2, 3})...)
	require.NoError(t, err)
	require.Equal(t, []int{2, 4, 6}, outs)

	runs := hold.Go(ctx, p, "")
	bad := oddFails.Go(ctx, p, 1)
	_, err = pool.WaitSucceeded(ctx, runs, bad)
	var panicked *pool.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, pool.StateCancelled, runs.State())
	requireWorks(t, p)
}

func TestStatesHaveNames(t *testing.T) {
	for s, name := range map[pool.State]string{
		pool.StatePending: "pending", pool.StateRunning: "running", pool.StateSucceeded: "succeeded",
		pool.StateFailed: "failed", pool.StateCancelled: "cancelled", 99: "unknown state",
	} {
		require.Equal(t, name, s.String())
	}
}
