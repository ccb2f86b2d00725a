package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// missing is an error type that is registered, and that wraps another error.
type missing struct {
	Page  int
	Notes map[string]string
	cause error
}

func (m *missing) Error() string { return fmt.Sprintf("page %d: %v", m.Page, m.cause) }
func (m *missing) Unwrap() error { return m.cause }

// status is one that is a plain value.
type status int

func (s status) Error() string { return fmt.Sprint("status ", int(s)) }

// grim is one that cannot be handed over: it says so by a panic on that side.
type grim struct{ Side string }

func (g *grim) Error() string { return "grim in the " + g.Side }

func (g *grim) MarshalBinary() ([]byte, error) {
	if g.Side == "worker" {
		panic("not from here")
	}
	return []byte(g.Side), nil
}

func (g *grim) UnmarshalBinary(b []byte) error {
	if g.Side = string(b); g.Side == "parent" {
		panic("not here")
	}
	return nil
}

// circle wraps itself.
type circle struct{}

func (circle) Error() string   { return "round" }
func (c circle) Unwrap() error { return c }

// lists is an error that cannot be compared.
type lists []error

func (l lists) Error() string   { return "several" }
func (l lists) Unwrap() []error { return l }

func init() {
	pool.RegisterErrorType[*missing]("missing")
	pool.RegisterErrorType[status]("status")
	pool.RegisterErrorType[*grim]("grim")
}

var refusing = pool.Task("refusing", func(_ context.Context, how string) (int, error) {
	switch how {
	case "sentinel":
		return 0, errUnlucky
	case "wrapped":
		return 0, fmt.Errorf("twice: %w", fmt.Errorf("once: %w", errUnlucky))
	case "joined":
		return 0, fmt.Errorf("all: %w", errors.Join(io.ErrUnexpectedEOF, errors.New("else"), status(4), errUnlucky))
	case "type":
		return 0, fmt.Errorf("read: %w", &missing{Page: 7, Notes: map[string]string{"by": "hand"}, cause: errUnlucky})
	case "file":
		_, err := os.Open("/nowhere/to be found")
		return 0, err
	case "list":
		return 0, lists{status(1), nil, errUnlucky}
	case "circle":
		return 0, circle{}
	case "grim in the worker":
		return 0, fmt.Errorf("it: %w", &grim{"worker"})
	case "grim in the parent":
		return 0, fmt.Errorf("it: %w: %w", &grim{"parent"}, status(9))
	case "grim":
		return 0, &grim{"end"}
	case "input":
		return 0, fmt.Errorf("mapped: %w", &pool.InputError{Index: 3, Err: errUnlucky})
	case "exit":
		return 0, &proc.ExitError{Pid: 5, Name: "five", Code: -1, Signal: syscall.SIGKILL}
	case "nil":
		return 0, (*missing)(nil)
	case "ours":
		return 0, errors.Join(ours...)
	}
	return 0, nil
})

// ours are the sentinels of the package.
var ours = []error{
	pool.ErrClosed, pool.ErrNotClosed, pool.ErrPending, pool.ErrWithin, pool.ErrDepth, pool.ErrWorkers, pool.ErrOption,
	pool.ErrNotRegistered, pool.ErrUnencodable, pool.ErrUndecodable, pool.ErrTooLarge, pool.ErrBroken,
}

func TestErrorsOfThePackageAreKnown(t *testing.T) {
	p := newPool(t, 1)
	_, err := refusing.Call(testContext(t), p, "ours")
	for _, sentinel := range ours {
		require.ErrorIs(t, err, sentinel)
	}
}

func TestErrorsOfInputsAndOfProcessesAreKnown(t *testing.T) {
	p := newPool(t, 1)
	_, err := refusing.Call(testContext(t), p, "input")
	var input *pool.InputError
	require.ErrorAs(t, err, &input)
	require.Equal(t, 3, input.Index)
	require.ErrorIs(t, err, errUnlucky)
	_, err = refusing.Call(testContext(t), p, "exit")
	var exit *proc.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, &proc.ExitError{Pid: 5, Name: "five", Code: -1, Signal: syscall.SIGKILL}, exit)
}

// hasty returns its context's error as soon as that is over.
var hasty = pool.Task("hasty", func(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
})

// Whether the task's own error comes first, or its caller's context is over first, cannot be told apart.
func TestAContextThatIsOverIsTheErrorWhoeverIsFirst(t *testing.T) {
	p := newPool(t, 1)
	for range 50 {
		ctx, cancel := context.WithTimeout(testContext(t), 2*time.Millisecond)
		_, err := hasty.Call(ctx, p, 0)
		require.Equal(t, context.DeadlineExceeded, err)
		f := hasty.Go(ctx, p, 0)
		_, err = f.Wait(testContext(t))
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, pool.StateCancelled, f.State())
		cancel()
	}
}

func TestErrorOfATaskIsFoundByItsKind(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for how, want := range map[string]struct {
		text string
		is   []error
	}{
		"sentinel":           {"unlucky", []error{errUnlucky}},
		"wrapped":            {"twice: once: unlucky", []error{errUnlucky}},
		"joined":             {"all: unexpected EOF\nelse\nstatus 4\nunlucky", []error{io.ErrUnexpectedEOF, status(4), errUnlucky}},
		"type":               {"read: page 7: unlucky", []error{errUnlucky}},
		"file":               {"open /nowhere/to be found: no such file or directory", []error{fs.ErrNotExist, syscall.ENOENT}},
		"list":               {"several", []error{status(1), errUnlucky}},
		"circle":             {"round", nil},
		"grim in the worker": {"it: grim in the worker", nil},
		"grim in the parent": {"it: grim in the parent: status 9", []error{status(9)}},
		"grim":               {"grim in the end", nil},
	} {
		_, err := refusing.Call(testContext(t), p, how)
		require.EqualError(t, err, `pool: task "refusing": `+want.text)
		for _, sentinel := range want.is {
			require.ErrorIs(t, err, sentinel, how)
		}
		for _, other := range []error{errUnlucky, status(4), io.ErrUnexpectedEOF, context.Canceled, fs.ErrNotExist} {
			found := errors.Is(err, other)
			require.Equal(t, contains(want.is, other), found, "%s: %v", how, other)
		}
		switch how {
		case "type":
			var m *missing
			require.ErrorAs(t, err, &m)
			require.Equal(t, &missing{Page: 7, Notes: map[string]string{"by": "hand"}}, m)
		case "joined":
			var s status
			require.ErrorAs(t, err, &s)
			require.Equal(t, status(4), s)
		case "file":
			var path *fs.PathError
			require.ErrorAs(t, err, &path)
			require.Equal(t, &fs.PathError{Op: "open", Path: "/nowhere/to be found", Err: syscall.ENOENT}, path)
		case "grim":
			var g *grim
			require.ErrorAs(t, err, &g)
			require.Equal(t, &grim{"end"}, g)
		}
	}
	require.Equal(t, before, pids(p))
}

func contains(list []error, err error) bool {
	for _, e := range list {
		if e == err {
			return true
		}
	}
	return false
}

// The error of a task that has a pool of its own is found through both.
var through = pool.Task("through", func(ctx context.Context, how string) (int, error) {
	p, err := pool.New(ctx, pool.Workers(1))
	if err != nil {
		return 0, err
	}
	defer p.Close()
	if how == "die" {
		return ending.Call(ctx, p, "status 3")
	}
	return refusing.Call(ctx, p, how)
})

func TestErrorsAreFoundThroughPoolsWithinPools(t *testing.T) {
	p := newPool(t, 1)
	_, err := through.Call(testContext(t), p, "type")
	require.ErrorIs(t, err, errUnlucky)
	var m *missing
	require.ErrorAs(t, err, &m)
	require.Equal(t, 7, m.Page)
	_, err = through.Call(testContext(t), p, "die")
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, "ending", died.Task)
	require.Equal(t, 3, died.Code)
}

func TestKindsOfErrorsAreRegisteredOnce(t *testing.T) {
	for _, register := range []func(){
		func() { pool.RegisterError("unlucky", errors.New("another")) },
		func() { pool.RegisterError("under another name", errUnlucky) },
		func() { pool.RegisterError("", errors.New("another")) },
		func() { pool.RegisterErrorType[status]("status again") },
	} {
		requirePanic(t, "kinds_process_test.go", register)
	}
	requirePanic(t, "compared", func() { pool.RegisterError("lists", lists{}) })
	requirePanic(t, "compared", func() { pool.RegisterError("nil", nil) })
	requirePanic(t, "interface", func() { pool.RegisterErrorType[error]("any") })
	requirePanic(t, "unmarked", func() { pool.RegisterErrorType[unmarked]("unmarked") })
}

// unmarked cannot be encoded.
type unmarked struct{ C chan int }

func (unmarked) Error() string { return "" }

func requirePanic(t testing.TB, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		text := fmt.Sprint(recover())
		require.True(t, strings.Contains(text, want), text)
	}()
	f()
}

// brittle is an input and a result that panics, or ends the process, when it is handed over at that place.
type brittle struct{ Where string }

func (b brittle) MarshalBinary() ([]byte, error) {
	if b.Where == "encode" || b.Where == "encode in the worker" && inWorker() {
		panic("it broke")
	}
	return []byte(b.Where), nil
}

func (b *brittle) UnmarshalBinary(text []byte) error {
	b.Where = string(text)
	switch {
	case b.Where == "decode", b.Where == "decode in the parent" && !inWorker():
		panic("it broke")
	case b.Where == "exit" && inWorker():
		os.Exit(5)
	}
	return nil
}

// handing hands a brittle thing to the task, and another one back.
var handing = pool.Task("handing", func(_ context.Context, in brittle) (brittle, error) {
	return brittle{strings.TrimPrefix(in.Where, "back: ")}, nil
})

func TestWhatBreaksWhenItIsHandedOverIsTheErrorOfThatTask(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for where, want := range map[string]error{
		"encode":                     pool.ErrUnencodable,
		"decode":                     pool.ErrUndecodable,
		"back: encode in the worker": pool.ErrUnencodable,
		"back: decode in the parent": pool.ErrUndecodable,
		"back: encode":               pool.ErrUnencodable,
	} {
		for range 3 {
			_, err := handing.Call(testContext(t), p, brittle{where})
			require.ErrorIs(t, err, want, where)
			require.ErrorContains(t, err, `pool: task "handing": its `)
			require.ErrorContains(t, err, "panic: it broke")
		}
	}
	got, err := handing.Call(testContext(t), p, brittle{"nowhere"})
	require.NoError(t, err)
	require.Equal(t, brittle{"nowhere"}, got)
	require.Equal(t, before, pids(p))

	_, err = handing.Call(testContext(t), p, brittle{"exit"})
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, 5, died.Code)
	requireWorks(t, p)
}
