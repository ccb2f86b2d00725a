package pool_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// What the test binary does when it is not to run tests, or not only; see beforeMain and program.
const modeVariable = "POOL_TEST_MODE"

// directoryVariable names a directory for what processes of a test tell each other.
const directoryVariable = "POOL_TEST_DIRECTORY"

func TestMain(m *testing.M) {
	// A program under the race detector sleeps for a second before it exits.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	beforeMain(os.Getenv(modeVariable))
	proc.TestMain(tests{m})
}

// tests is what there is to run in a process that is not a child.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	if mode := os.Getenv(modeVariable); mode != "" {
		return program(mode)
	}
	if code := t.m.Run(); code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "left after all tests:", err)
		return 1
	}
	return 0
}

func mode(name, directory string) pool.Option {
	return pool.Process(proc.Env(modeVariable+"="+name, directoryVariable+"="+directory))
}

// beforeMain is what init functions or a broken main would do.
func beforeMain(mode string) {
	switch mode {
	case "no main":
		_, err := pool.New(context.Background(), pool.Workers(1))
		fmt.Println(err)
		os.Exit(0)
	case "exit":
		os.Exit(7)
	case "only the first two":
		if number() > 2 {
			os.Exit(7)
		}
	case "only the first two, others hang":
		if number() > 2 {
			blockForEver()
		}
	}
}

// number counts the processes that asked for one.
func number() int {
	for n := 1; ; n++ {
		path := filepath.Join(os.Getenv(directoryVariable), fmt.Sprint("number ", n))
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			f.Close()
			return n
		}
		if !os.IsExist(err) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(9)
		}
	}
}

func blockForEver() {
	for {
		time.Sleep(time.Hour)
	}
}

// inWorker reports whether this process is a worker of a pool.
func inWorker() bool { return proc.Current().Function != "" }

// The tasks that most tests use.
var (
	double = pool.Task("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

	// pid tells the workers apart.
	pid = pool.Task("pid", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })

	// gate blocks until the test opens it, and does not look at its context.
	gate = pool.Task("gate", func(_ context.Context, path string) (int, error) {
		f, err := os.Open(path) // a FIFO: until somebody opens it to write
		if err != nil {
			return 0, err
		}
		return os.Getpid(), f.Close()
	})

	// hold runs until its context ends.
	hold = pool.Task("hold", func(ctx context.Context, _ string) (int, error) {
		<-ctx.Done()
		return 0, fmt.Errorf("held until: %w", ctx.Err())
	})

	// ignore runs for ever.
	ignore = pool.Task("ignore", func(_ context.Context, _ string) (int, error) {
		blockForEver()
		return 0, nil
	})
)

// newGate makes a place where a task waits for the test.
func newGate(t testing.TB) (path string, open func()) {
	path = filepath.Join(t.TempDir(), "gate")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path, func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // until the task opens it to read
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// testContext bounds what should take milliseconds.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// newPool makes a pool whose workers keep their dying words to themselves. The test's end kills it.
func newPool(t testing.TB, n int, opts ...pool.Option) *pool.Pool {
	all := append([]pool.Option{pool.Workers(n), pool.Process(proc.Stderr(nil))}, opts...)
	p, err := pool.New(testContext(t), all...)
	require.NoError(t, err)
	t.Cleanup(func() { terminate(t, p) })
	return p
}

// shutDown closes the pool and waits for its end.
func shutDown(t testing.TB, p *pool.Pool) {
	t.Helper()
	require.NoError(t, p.Shutdown(testContext(t)))
}

// terminate kills the pool and waits for its end.
func terminate(t testing.TB, p *pool.Pool) {
	t.Helper()
	p.Terminate()
	require.NoError(t, p.Join(context.Background()))
}

const (
	wait = time.Minute
	tick = time.Millisecond
)

// eventually waits for a state that nothing announces.
func eventually(t testing.TB, state func() bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); !state(); time.Sleep(tick) {
		if time.Now().After(deadline) {
			require.FailNow(t, "it did not come to that")
		}
	}
}

// running waits until a worker has begun the task, and returns it.
func running(t testing.TB, p *pool.Pool, task string) (w pool.Worker) {
	t.Helper()
	eventually(t, func() bool {
		all := p.Workers()
		i := slices.IndexFunc(all, func(w pool.Worker) bool { return w.Running != nil && w.Running.Task == task })
		if i >= 0 {
			w = all[i]
		}
		return i >= 0
	})
	return w
}

// pids are those of the workers that are there.
func pids(p *pool.Pool) (all []int) {
	for _, w := range p.Workers() {
		if w.Pid != 0 {
			all = append(all, w.Pid)
		}
	}
	return all
}

func kill(t testing.TB, pid int, sig syscall.Signal) {
	t.Helper()
	require.Greater(t, pid, 1, "0 would be this process's group")
	require.NoError(t, syscall.Kill(pid, sig))
}

// requireWorks demands that every worker of the pool takes a task, all at the same time.
func requireWorks(t testing.TB, p *pool.Pool) {
	t.Helper()
	ctx := testContext(t)
	n := len(p.Workers())
	var calls []<-chan outcome[int]
	var gates []func()
	paths := make(map[any]bool)
	for range n {
		path, open := newGate(t)
		calls, gates, paths[path] = append(calls, start(ctx, p, gate, path)), append(gates, open), true
	}
	eventually(t, func() bool {
		return !slices.ContainsFunc(p.Workers(), func(w pool.Worker) bool {
			return w.Running == nil || w.Running.Task != "gate" || !paths[w.Running.Input]
		})
	})
	workers := make(map[int]bool)
	for i, call := range calls {
		gates[i]()
		got := <-call
		require.NoError(t, got.err)
		workers[got.value] = true
	}
	require.Len(t, workers, n)
}

// requireGone demands that the process does not exist, not even as a zombie.
func requireGone(t testing.TB, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
}

// outcome is what a call returned.
type outcome[T any] struct {
	value T
	err   error
}

// start makes a call that the test does not wait for yet.
func start[In, Out any](ctx context.Context, p *pool.Pool, task *pool.Typed[In, Out], in In) <-chan outcome[Out] {
	c := make(chan outcome[Out], 1)
	go func() {
		out, err := task.Call(ctx, p, in)
		c <- outcome[Out]{out, err}
	}()
	return c
}

// diary records a pool's events.
type diary struct {
	mu     sync.Mutex
	events []pool.Event
}

func (d *diary) option() pool.Option {
	return pool.OnEvent(d.add)
}

func (d *diary) add(e pool.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) all() []pool.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}

// wait waits until there are n events of that kind, and returns them.
func (d *diary) wait(t testing.TB, kind pool.EventKind, n int) (found []pool.Event) {
	t.Helper()
	eventually(t, func() bool {
		found = slices.DeleteFunc(d.all(), func(e pool.Event) bool { return e.Kind != kind })
		return len(found) >= n
	})
	return found
}

// numbers are the integers from 0 to n-1, of which taken counts those that were asked for.
func numbers(n int, taken *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			*taken++
			if !yield(i) {
				return
			}
		}
	}
}

// inner sums the doubles of the numbers up to n, by a pool within the worker.
var inner = pool.Task("inner", func(ctx context.Context, n int) (sum int, err error) {
	p, err := pool.New(ctx, pool.Workers(1))
	if err != nil {
		return 0, err
	}
	defer p.Shutdown(ctx)
	taken := 0
	for got, err := range double.Map(ctx, p, numbers(n, &taken)) {
		if err != nil {
			return 0, err
		}
		sum += got
	}
	return sum, nil
})
