package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// settings is what setUp leaves for the tasks.
type settings struct {
	Directory string
	How       string // setUp is to end
	After     int    // so many that did not
	Words     []string
}

var current settings

// setUp counts itself in the directory.
var setUp = pool.Task("setUp", func(_ context.Context, s settings) (int, error) {
	current = s
	n := 1
	for ; ; n++ {
		f, err := os.OpenFile(filepath.Join(s.Directory, fmt.Sprint("setup ", n)), os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			f.Close()
			break
		}
		if !os.IsExist(err) {
			return 0, err
		}
	}
	if n <= s.After {
		return n, nil
	}
	switch s.How {
	case "error":
		return 0, fmt.Errorf("no luck: %w", errUnlucky)
	case "panic":
		panic("no luck")
	case "Goexit":
		runtime.Goexit()
	case "exit":
		fmt.Fprintln(os.Stderr, "going")
		os.Exit(7)
	case "hang":
		blockForEver()
	}
	return n, nil
})

var errUnlucky = errors.New("unlucky")

func init() { pool.RegisterError("unlucky", errUnlucky) }

// recall tells what setUp left.
var recall = pool.Task("recall", func(context.Context, struct{}) ([]string, error) { return current.Words, nil })

// tearDown leaves a file behind, by the number of its process.
var tearDown = pool.Task("tearDown", func(_ context.Context, s settings) (int, error) {
	switch s.How {
	case "error":
		return 0, errors.New("left undone")
	case "panic":
		panic("left undone")
	case "Goexit":
		runtime.Goexit()
	case "hang":
		blockForEver()
	}
	return 0, os.WriteFile(filepath.Join(s.Directory, fmt.Sprint("down ", os.Getpid())), nil, 0o600)
})

// begun counts the processes that came to setUp.
func begun(t testing.TB, dir string) int {
	files, err := filepath.Glob(filepath.Join(dir, "setup *"))
	require.NoError(t, err)
	return len(files)
}

func TestEachWorkerIsInitializedBeforeItsFirstTask(t *testing.T) {
	s := settings{Directory: t.TempDir(), Words: []string{"as", "it", "came"}}
	p := newPool(t, 2, pool.Initializer(setUp, s))
	require.Equal(t, 2, begun(t, s.Directory))
	requireWorks(t, p)
	for n := range 3 {
		got, err := recall.Call(testContext(t), p, struct{}{})
		require.NoError(t, err)
		require.Equal(t, s.Words, got)
		_, err = ending.Call(testContext(t), p, "SIGKILL")
		require.Error(t, err)
		requireWorks(t, p)
		require.Equal(t, 3+n, begun(t, s.Directory))
	}
}

func TestNewFailsWithTheErrorOfTheInitializer(t *testing.T) {
	for how, want := range map[string]string{
		"error":  `initializer: pool: task "setUp": no luck: unlucky`,
		"panic":  `initializer: pool: task "setUp" panicked: no luck`,
		"Goexit": `initializer: pool: task "setUp": it called runtime.Goexit`,
		"exit":   `it ended before it was ready: `,
	} {
		s := settings{Directory: t.TempDir(), How: how, After: 1}
		_, err := pool.New(testContext(t), pool.Workers(2), pool.Initializer(setUp, s), pool.Process(proc.Stderr(nil)))
		require.ErrorContains(t, err, "pool: start 2 workers: worker ")
		require.ErrorContains(t, err, want)
		switch how {
		case "error":
			require.ErrorIs(t, err, errUnlucky)
		case "exit":
			var exit *proc.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 7, exit.Code)
			require.ErrorContains(t, err, `its last words: "going"`)
		}
		require.LessOrEqual(t, begun(t, s.Directory), 2)
		requireNoChildren(t)
	}
}

func TestNewsContextEndsAnInitializer(t *testing.T) {
	s := settings{Directory: t.TempDir(), How: "hang"}
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		eventually(t, func() bool { return begun(t, s.Directory) == 1 })
		cancel()
	}()
	_, err := pool.New(ctx, pool.Workers(1), pool.Initializer(setUp, s))
	require.ErrorIs(t, err, context.Canceled)
	requireNoChildren(t)
}

func TestInputOfAnInitializerThatCannotBeEncodedIsAnErrorOfNew(t *testing.T) {
	var none *pool.Typed[int, int]
	_, err := pool.New(testContext(t), pool.Initializer(none, 1))
	require.ErrorIs(t, err, pool.ErrOption)
	_, err = pool.New(testContext(t), pool.Initializer(echoAny, any(func() {})))
	require.ErrorIs(t, err, pool.ErrUnencodable)
	_, err = pool.New(testContext(t), pool.Finalizer(echoAny, any(func() {})))
	require.ErrorIs(t, err, pool.ErrUnencodable)
}

var echoAny = pool.Task("echoAny", func(_ context.Context, v any) (any, error) { return v, nil })

// However an initializer fails: six processes in a row, and that was it.
func TestInitializerThatFailsAtARestartBreaksThePool(t *testing.T) {
	for _, how := range []string{"error", "exit"} {
		var d diary
		s := settings{Directory: t.TempDir(), How: how, After: 1}
		p := newPool(t, 1, pool.Initializer(setUp, s), d.option())
		_, err := ending.Call(testContext(t), p, "status 3")
		require.Error(t, err)
		_, err = double.Call(testContext(t), p, 1)
		require.ErrorIs(t, err, pool.ErrBroken)
		if how == "error" {
			require.ErrorIs(t, err, errUnlucky)
		}
		require.NoError(t, p.Shutdown(testContext(t)))
		require.Equal(t, 1+6, begun(t, s.Directory))
		require.Equal(t, err, d.wait(t, pool.PoolBroken, 1)[0].Err)
		requireNoChildren(t)
	}
}

// Initializers that take time are no reason to wait for with Close.
func TestCloseGivesUpAnInitializer(t *testing.T) {
	s := settings{Directory: t.TempDir(), How: "hang", After: 1}
	p := newPool(t, 1, pool.Initializer(setUp, s), pool.Grace(-1))
	_, err := ending.Call(testContext(t), p, "status 3")
	require.Error(t, err)
	eventually(t, func() bool { return begun(t, s.Directory) == 2 })
	require.NoError(t, p.Shutdown(testContext(t)))
	requireNoChildren(t)
}

func TestEachWorkerIsFinalizedByClose(t *testing.T) {
	var d diary
	s := settings{Directory: t.TempDir()}
	p := newPool(t, 2, pool.Finalizer(tearDown, s), d.option())
	requireWorks(t, p)
	before := pids(p)
	require.NoError(t, p.Shutdown(testContext(t)))
	for _, pid := range before {
		require.FileExists(t, filepath.Join(s.Directory, fmt.Sprint("down ", pid)))
	}
	for _, e := range d.wait(t, pool.WorkerRetired, 2) {
		require.Contains(t, before, e.Pid)
		require.NoError(t, e.Err)
	}
}

func TestFinalizerThatFailsIsReported(t *testing.T) {
	for how, want := range map[string]string{
		"error":  `finalizer: pool: task "tearDown": left undone`,
		"panic":  `finalizer: pool: task "tearDown" panicked: left undone`,
		"Goexit": `finalizer: pool: task "tearDown": it called runtime.Goexit`,
		"hang":   "killed",
	} {
		var d diary
		grace := wait
		if how == "hang" {
			grace = 10 * time.Millisecond
		}
		p := newPool(t, 1, pool.Finalizer(tearDown, settings{How: how}), d.option(), pool.Grace(grace))
		require.NoError(t, p.Shutdown(testContext(t)))
		require.ErrorContains(t, d.wait(t, pool.WorkerRetired, 1)[0].Err, want)
	}
}

func TestWorkerThatDiesIsNotFinalized(t *testing.T) {
	s := settings{Directory: t.TempDir()}
	p := newPool(t, 1, pool.Finalizer(tearDown, s))
	_, err := ending.Call(testContext(t), p, "status 0")
	require.Error(t, err)
	requireWorks(t, p)
	p.Terminate()
	files, err := os.ReadDir(s.Directory)
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestPoolIsBrokenByMoreDeathsThanItsLimit(t *testing.T) {
	p := newPool(t, 1, pool.RestartLimit(3, time.Hour))
	for range 4 {
		_, err := ending.Call(testContext(t), p, "status 3")
		var died *pool.WorkerDied
		require.ErrorAs(t, err, &died)
	}
	_, err := double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
	require.ErrorContains(t, err, "more than 3 died within 1h0m0s; the last: ")
	require.NoError(t, p.Shutdown(testContext(t)))
	requireNoChildren(t)

	// What is long ago does not count.
	p = newPool(t, 1, pool.RestartLimit(1, time.Nanosecond))
	for range 5 {
		_, err := ending.Call(testContext(t), p, "status 3")
		var died *pool.WorkerDied
		require.ErrorAs(t, err, &died)
	}
	requireWorks(t, p)

	for _, wrong := range []pool.Option{pool.RestartLimit(-1, time.Second), pool.RestartLimit(1, 0)} {
		_, err := pool.New(testContext(t), wrong)
		require.ErrorIs(t, err, pool.ErrOption)
	}
}

func TestFirstDeathBreaksAPoolThatIsToBreak(t *testing.T) {
	for _, idle := range []bool{false, true} {
		p := newPool(t, 2, pool.BreakOnDeath(), pool.Retry(5))
		before := pids(p)
		neighbour := start(testContext(t), p, ignore, "")
		busy := running(t, p, "ignore").Pid
		victim := before[0] + before[1] - busy
		if idle {
			kill(t, victim, syscall.SIGKILL)
		} else {
			_, err := ending.Call(testContext(t), p, "SIGKILL")
			requireBrokenBy(t, err, victim)
		}
		requireBrokenBy(t, (<-neighbour).err, victim)
		_, err := double.Call(testContext(t), p, 1)
		requireBrokenBy(t, err, victim)
		requireGone(t, victim)
		require.NoError(t, p.Shutdown(testContext(t)))
		requireNoChildren(t)
	}
}

func requireBrokenBy(t testing.TB, err error, victim int) {
	t.Helper()
	require.ErrorIs(t, err, pool.ErrBroken)
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, victim, died.Pid)
	require.Equal(t, syscall.SIGKILL, died.Signal)
}

// lament writes to the standard error and dies.
var lament = pool.Task("lament", func(_ context.Context, text string) (int, error) {
	if text == "deep" {
		debug.SetMaxStack(64 << 10) // a gigabyte takes long to fill
		return descend(0), nil
	}
	fmt.Fprint(os.Stderr, text)
	os.Exit(3)
	return 0, nil
})

//go:noinline
func descend(n int) int {
	if n < 0 {
		return n
	}
	return descend(n+1) + n
}

func TestLastWordsOfAWorkerAreKept(t *testing.T) {
	p := newPool(t, 1)
	_, err := lament.Call(testContext(t), p, "first line\nfarewell\n")
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, "first line\nfarewell\n", died.Stderr)
	require.ErrorContains(t, err, `(attempt 1); its last words: "farewell"`)

	_, err = lament.Call(testContext(t), p, strings.Repeat("0123456789\n", 10_000))
	require.ErrorAs(t, err, &died)
	require.LessOrEqual(t, len(died.Stderr), 4<<10)
	require.Greater(t, len(died.Stderr), 3<<10)
	require.True(t, strings.HasPrefix(died.Stderr, "0123456789\n"))

	_, err = lament.Call(testContext(t), p, "deep")
	require.ErrorAs(t, err, &died)
	require.Equal(t, 2, died.Code)
	require.ErrorContains(t, err, `its last words: "fatal error: stack overflow"`)
	requireWorks(t, p)
}

// What is kept goes where it was to go all the same.
func TestStandardErrorOfWorkersGoesWhereItIsToGo(t *testing.T) {
	var to atomicText
	p := newPool(t, 1, pool.Process(proc.Stderr(&to)))
	_, err := lament.Call(testContext(t), p, "farewell\n")
	require.ErrorContains(t, err, "farewell")
	require.Equal(t, "farewell\n", to.text())
}

type atomicText struct{ v atomic.Pointer[string] }

func (a *atomicText) text() string {
	if s := a.v.Load(); s != nil {
		return *s
	}
	return ""
}

func (a *atomicText) Write(b []byte) (int, error) {
	s := a.text() + string(b)
	a.v.Store(&s)
	return len(b), nil
}

func TestOptionOfNoTaskIsNamed(t *testing.T) {
	var none *pool.Typed[string, int]
	for name, option := range map[string]pool.Option{"Initializer": pool.Initializer(none, ""), "Finalizer": pool.Finalizer(none, "")} {
		_, err := pool.New(testContext(t), option)
		require.ErrorIs(t, err, pool.ErrOption)
		require.ErrorContains(t, err, name)
	}
}

// It runs before the worker is the pool's: what it asked the pool for would have to come from another worker, whose initializer asks as well.
func TestInitializerHasNoPoolToCall(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1, append(opts, pool.Initializer(orphan, 0))...)
			requireWorks(t, p)
			_, err := orphan.Call(testContext(t), p, 0)
			require.ErrorContains(t, err, "there is a pool", "any other call has one")
		})
	}
}

var orphan = pool.Task("orphan", func(ctx context.Context, _ int) (int, error) {
	if pool.Current(ctx) != nil {
		return 0, errors.New("there is a pool")
	}
	return 0, nil
})

func TestInputsOfInitializerAndFinalizerAreHeldToMaxMessage(t *testing.T) {
	for _, opt := range []pool.Option{pool.Initializer(countBytes, make([]byte, 5000)), pool.Finalizer(countBytes, make([]byte, 5000))} {
		_, err := pool.New(testContext(t), opt, pool.MaxMessage(2000))
		require.ErrorIs(t, err, pool.ErrTooLarge)
		require.ErrorContains(t, err, `task "count bytes": its input: `)
	}
}
