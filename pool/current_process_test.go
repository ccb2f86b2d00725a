package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

// Tasks that call tasks of the pool in which they run.
var (
	// deep calls itself, n times in all.
	deep *pool.Typed[int, int]

	// leaves asks for something, and returns.
	leaves = pool.Task("leaves", func(ctx context.Context, n int) (int, error) {
		double.Go(ctx, pool.Current(ctx), n)
		runtime.Gosched()
		return n, nil
	})

	// total sums the doubles of the numbers up to n, which others double.
	total = pool.Task("total", func(ctx context.Context, n int) (sum int, err error) {
		taken := 0
		for got, err := range double.Map(ctx, pool.Current(ctx), numbers(n, &taken)) {
			if err != nil {
				return 0, err
			}
			sum += got
		}
		for _, f := range double.GoMany(ctx, pool.Current(ctx), slices.Repeat([]int{1}, n)) {
			got, err := f.Wait(ctx)
			if err != nil {
				return 0, err
			}
			sum += got
		}
		return sum, nil
	})

	// relays calls one of the others, and says what it got.
	relays = pool.Task("relays", func(ctx context.Context, which string) (string, error) {
		p := pool.Current(ctx)
		var err error
		switch which {
		case "a panic":
			_, err = oddFails.Call(ctx, p, 1)
			var panicked *pool.PanicError
			if errors.As(err, &panicked) {
				return panicked.Value, nil
			}
		case "a death":
			_, err = ending.Call(ctx, p, "SIGKILL")
			var died *pool.WorkerDied
			if errors.As(err, &died) && died.Pid != 0 && died.Pid != os.Getpid() {
				return fmt.Sprintf("%s %v %d", died.Task, died.Signal, died.Attempts), nil
			}
		case "an error":
			_, err = noFile.Call(ctx, p, "/none/such")
			var failed *pool.TaskError
			if errors.As(err, &failed) {
				return failed.Task, nil
			}
		case "too large":
			_, err = echoBytes.Call(ctx, p, make([]byte, 3<<20))
			if errors.Is(err, pool.ErrTooLarge) {
				return "too large", nil
			}
		case "large":
			in := bytes.Repeat([]byte("x"), 1<<20)
			var out []byte
			if out, err = echoBytes.Call(ctx, p, in); bytes.Equal(in, out) {
				return "equal", nil
			}
		case "its own end":
			over, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err = hold.Call(over, p, "")
			if errors.Is(err, context.DeadlineExceeded) {
				return "in time", nil
			}
		case "ends in a row":
			for n := range 20 {
				over, cancel := context.WithCancel(ctx)
				f := hold.Go(over, p, "")
				for f.State() == pool.StatePending {
					time.Sleep(tick)
				}
				cancel()
				if _, err = f.Wait(ctx); !errors.Is(err, context.Canceled) {
					return "", err
				}
				got := 0
				if got, err = double.Call(ctx, p, n); got != 2*n || err != nil {
					return "", fmt.Errorf("double %d is %d: %w", n, got, err)
				}
			}
			return "all", nil
		case "broadcast":
			_, err = double.Broadcast(ctx, p, 1)
			if errors.Is(err, errors.ErrUnsupported) {
				return "unsupported", nil
			}
		case "resize":
			if err = p.Resize(ctx, p.Size()+1); errors.Is(err, errors.ErrUnsupported) {
				return "unsupported", nil
			}
		case "closed":
			if err = p.Shutdown(ctx); err == nil {
				_, err = double.Call(ctx, pool.Current(ctx), 1)
			}
			if err == pool.ErrClosed {
				return "closed", nil
			}
		}
		return "", fmt.Errorf("%s: %w", which, err)
	})

	// holds calls hold, and does not look at its own context.
	holds = pool.Task("holds", func(ctx context.Context, _ int) (int, error) {
		return hold.Call(context.Background(), pool.Current(ctx), "")
	})

	// forgets has hold called, and returns.
	forgets = pool.Task("forgets", func(ctx context.Context, _ int) (int, error) {
		f := hold.Go(context.Background(), pool.Current(ctx), "")
		for f.State() == pool.StatePending {
			time.Sleep(tick)
		}
		return os.Getpid(), nil
	})
)

func init() {
	deep = pool.Task("deep", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 0, nil
		}
		got, err := deep.Call(ctx, pool.Current(ctx), n-1)
		return got + 1, err
	})
}

func TestCurrentOutsideOfATaskIsNil(t *testing.T) {
	require.Nil(t, pool.Current(context.Background()))
}

// kinds of pools in which tasks may be nested.
var kinds = map[string][]pool.Option{"processes": nil, "local": {pool.Local()}}

func TestTaskMayUseThePoolInWhichItRunsToADepthOfTen(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1, opts...)
			got, err := deep.Call(testContext(t), p, 10)
			require.NoError(t, err)
			require.Equal(t, 10, got)
			_, err = deep.Call(testContext(t), p, 11)
			require.ErrorIs(t, err, pool.ErrDepth)
			got, err = deep.Call(testContext(t), p, 1)
			require.NoError(t, err)
			require.Equal(t, 1, got)
			shutDown(t, p)
		})
	}
}

func TestTasksThatUseTheirPoolAtTheSameTimeDoNotWaitForEachOtherForEver(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 2, opts...)
			ctx := testContext(t)
			fs := total.GoMany(ctx, p, []int{10, 10, 10, 10, 10, 10})
			outs, err := pool.WaitAll(ctx, fs...)
			require.NoError(t, err)
			require.Equal(t, []int{110, 110, 110, 110, 110, 110}, outs)
			shutDown(t, p)
		})
	}
}

func TestWorkersThatMadeUpForOthersEndWhenTheyAreIdle(t *testing.T) {
	var d diary
	p := newPool(t, 1, d.option())
	before := pids(p)
	got, err := deep.Call(testContext(t), p, 3)
	require.NoError(t, err)
	require.Equal(t, 3, got)
	started := d.wait(t, pool.WorkerStarted, 4)
	require.Len(t, started, 4)
	eventually(t, func() bool { return len(p.Workers()) == 1 })
	require.Equal(t, before, pids(p))
	requireWorks(t, p)
	for _, e := range started[1:] {
		requireGone(t, e.Pid)
	}
	require.Empty(t, d.wait(t, pool.WorkerLost, 0), "none was lost")
}

func TestNestedCallsHaveTheErrorsOfCalls(t *testing.T) {
	wants := map[string]string{
		"a panic": "1", "a death": "ending killed 1", "an error": "no file", "too large": "too large", "large": "equal",
		"its own end": "in time", "ends in a row": "all", "broadcast": "unsupported", "resize": "unsupported",
		"closed": "closed",
	}
	for name, opts := range kinds {
		p := newPool(t, 1, append(opts, pool.MaxMessage(2<<20))...)
		for which, want := range wants {
			if which == "a death" && name == "local" {
				continue // there is none that the program would survive
			}
			t.Run(which+" "+name, func(t *testing.T) {
				got, err := relays.Call(testContext(t), p, which)
				require.NoError(t, err)
				require.Equal(t, want, got)
			})
		}
		got, err := relays.Call(testContext(t), p, "an error")
		require.NoError(t, err)
		require.Equal(t, "no file", got)
	}
}

func TestNestedCallIsGivenUpWhenTheOneThatMadeItIsOver(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1, opts...)
			for range 3 {
				_, err := forgets.Call(testContext(t), p, 0)
				require.NoError(t, err)
			}
			eventually(t, func() bool {
				return !slices.ContainsFunc(p.Workers(), func(w pool.Worker) bool { return w.Running != nil })
			})
			shutDown(t, p)
		})
	}
}

func TestDeathOfAWorkerThatWaitsForANestedCallLosesItsTaskAlone(t *testing.T) {
	p := newPool(t, 1)
	call := start(testContext(t), p, holds, 0)
	running(t, p, "hold")
	outer, inner := running(t, p, "holds").Pid, running(t, p, "hold").Pid
	require.NotEqual(t, outer, inner)
	kill(t, outer, syscall.SIGKILL)
	var died *pool.WorkerDied
	require.ErrorAs(t, (<-call).err, &died)
	require.Equal(t, "holds", died.Task)
	require.Equal(t, outer, died.Pid)
	got, err := double.Call(testContext(t), p, 1)
	require.NoError(t, err)
	require.Equal(t, 2, got)
	eventually(t, func() bool { return len(p.Workers()) == 1 && len(pids(p)) == 1 })
	requireWorks(t, p)
}

func TestDeathOfTheWorkerOfANestedCallIsAnErrorOfThatCall(t *testing.T) {
	p := newPool(t, 1)
	call := start(testContext(t), p, holds, 0)
	outer, inner := running(t, p, "holds").Pid, running(t, p, "hold").Pid
	kill(t, inner, syscall.SIGKILL)
	got := <-call
	require.ErrorContains(t, got.err, fmt.Sprintf(`task "hold": worker process %d`, inner))
	var failed *pool.TaskError
	require.ErrorAs(t, got.err, &failed)
	require.Equal(t, "holds", failed.Task)
	require.Contains(t, pids(p), outer)
	shutDown(t, p)
}

func TestNestedCallsOfATaskThatIsGivenUpEndWithItsWorker(t *testing.T) {
	p := newPool(t, 1, pool.Grace(10*time.Millisecond))
	ctx, cancel := context.WithCancel(context.Background())
	call := start(ctx, p, holds, 0)
	running(t, p, "hold")
	cancel()
	require.Equal(t, context.Canceled, (<-call).err)
	eventually(t, func() bool { return len(p.Workers()) == 1 && len(pids(p)) == 1 })
	requireWorks(t, p)
}

func TestPoolIsClosedWhenNestedCallsAreDone(t *testing.T) {
	p := newPool(t, 1)
	ctx := testContext(t)
	f := deep.Go(ctx, p, 5)
	require.NoError(t, p.Close())
	got, err := f.Wait(ctx)
	require.NoError(t, err, "what the task needs is part of it")
	require.Equal(t, 5, got)
	require.NoError(t, p.Join(ctx))
}

// What a task asks for goes another way than its reply, which is read after it.
func TestTaskThatDoesNotWaitForWhatItAsksForEndsInOrder(t *testing.T) {
	p := newPool(t, 1)
	ctx := testContext(t)
	for n := range 500 {
		got, err := leaves.Call(ctx, p, n)
		require.NoError(t, err)
		require.Equal(t, n, got)
		got, err = double.Call(ctx, p, n)
		require.NoError(t, err)
		require.Equal(t, 2*n, got)
	}
	s := p.Stats()
	require.Zero(t, s.Lost)
	require.Zero(t, s.Restarts)
}

func TestTerminateEndsNestedCalls(t *testing.T) {
	p := newPool(t, 1)
	call := start(testContext(t), p, holds, 0)
	running(t, p, "hold")
	all := pids(p)
	terminate(t, p)
	require.Error(t, (<-call).err)
	requireGone(t, all...)
}

// givesUp gives up a call of its pool's that is begun, and says how many that pool has done, and how many are given up.
var givesUp = pool.Task("gives up", func(ctx context.Context, _ string) ([2]uint64, error) {
	p := pool.Current(ctx)
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	f := hold.Go(inner, p, "")
	for p.Stats().Running == 0 {
		if ctx.Err() != nil {
			return [2]uint64{}, ctx.Err()
		}
		runtime.Gosched()
	}
	cancel()
	if _, err := f.Wait(ctx); !errors.Is(err, context.Canceled) {
		return [2]uint64{}, fmt.Errorf("given up with %w", err)
	}
	if _, err := double.Call(ctx, p, 1); err != nil {
		return [2]uint64{}, err
	}
	s := p.Stats()
	return [2]uint64{s.Done, s.Cancelled}, nil
})

func TestANestedCallThatIsGivenUpIsNotCountedAsDone(t *testing.T) {
	for name, p := range map[string]*pool.Pool{"processes": newPool(t, 2), "goroutines": newLocal(t, 2)} {
		t.Run(name, func(t *testing.T) {
			counts, err := givesUp.Call(testContext(t), p, "")
			require.NoError(t, err)
			require.Equal(t, [2]uint64{1, 1}, counts)
		})
	}
}
