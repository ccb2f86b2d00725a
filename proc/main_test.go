//go:build linux || darwin

package proc_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

var long = flag.Bool("long", false, "start 1,000 children in the test of leaks, not 200")

// modeVariable makes the test binary do something else before it calls Main.
const modeVariable = "PROC_TEST_MODE"

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

func (t tests) Run() (code int) {
	if os.Getenv(modeVariable) == "program" {
		program()
		return 0
	}
	if code = t.m.Run(); code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "left after all tests:", err)
		return 1
	}
	return 0
}

// beforeMain is what init functions or a broken main would do.
func beforeMain(mode string) {
	switch mode {
	case "exit 0":
		os.Exit(0)
	case "exit 7":
		os.Exit(7)
	case "kill":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case "hang":
		fmt.Println(os.Getpid())
		blockForEver()
	case "let go of the socket":
		_ = unix.Close(3)
		blockForEver()
	case "garbage":
		_, _ = unix.Write(3, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		blockForEver()
	case "another version":
		v := os.Getenv("KINDRED_CHILD")
		_ = os.Setenv("KINDRED_CHILD", "v2"+v[len("v1"):])
	case "start":
		p, err := inspect.Start(context.Background(), inspectArgs{})
		fmt.Println(p == nil, errors.Is(err, proc.ErrNoMain), err)
	case "remove":
		path, err := os.Executable()
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		_ = os.Setenv(modeVariable, "program")
	}
}

// program is a main function that is not a child's.
func program() {
	p, err := quit.Start(context.Background(), 0)
	if err == nil {
		err = p.Wait(context.Background())
	}
	fmt.Printf("name %q, child: %v\n", proc.Current().Name, err)
}

func blockForEver() {
	for {
		time.Sleep(time.Hour)
	}
}

type inspectArgs struct {
	Numbers map[string]int
	Text    string
}

// report is what a child sees of itself.
type report struct {
	Args         inspectArgs
	OSArgs       []string
	Info         proc.Info
	Pid, Group   int
	GOMAXPROCS   int
	MemoryLimit  int64
	Greeting     string
	Invitation   string
	Dir          string
	StdinIsNull  bool
	Inheritable  []int // descriptors that the child's own children would get
	Descriptors  int
	HighNumbered map[int]bool // is open
	Peer         string       // contents of File(1)
	PeerName     string
	Beyond       bool // there is a file beyond those given
}

// Descriptors that a parent may have open when it starts a child.
const (
	highInheritable = 900
	highCloseOnExec = 901
)

var inspect = proc.Func("inspect", func(ctx context.Context, args inspectArgs) error {
	r := report{
		Args:         args,
		OSArgs:       os.Args,
		Info:         proc.Current(),
		Pid:          os.Getpid(),
		Group:        unix.Getpgrp(),
		GOMAXPROCS:   runtime.GOMAXPROCS(0),
		MemoryLimit:  debug.SetMemoryLimit(-1),
		Greeting:     os.Getenv("GREETING"),
		Invitation:   os.Getenv("KINDRED_CHILD"),
		HighNumbered: map[int]bool{},
	}
	r.Dir, _ = os.Getwd()
	stdin, _ := os.Stdin.Stat()
	null, _ := os.Stat(os.DevNull)
	r.StdinIsNull = os.SameFile(stdin, null)
	for _, fd := range []int{highInheritable, highCloseOnExec} {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		r.HighNumbered[fd] = err == nil
	}
	for fd := range 1024 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			continue
		}
		r.Descriptors++
		if flags&unix.FD_CLOEXEC == 0 {
			r.Inheritable = append(r.Inheritable, fd)
		}
	}
	if peer := proc.File(ctx, 1); peer != nil {
		b := make([]byte, 100)
		n, _ := peer.ReadAt(b, 0)
		r.Peer, r.PeerName = string(b[:n]), peer.Name()
	}
	r.Beyond = proc.File(ctx, 2) != nil || proc.File(ctx, -1) != nil
	out := proc.File(ctx, 0)
	defer out.Close()
	return json.NewEncoder(out).Encode(r)
})

var quit = proc.Func("quit", func(_ context.Context, code int) error {
	os.Exit(code)
	return nil
})

var fail = proc.Func("fail", func(_ context.Context, text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
})

// misbehave ends in ways that are not a return.
var misbehave = proc.Func("misbehave", func(_ context.Context, how string) error {
	switch how {
	case "panic":
		panic("the sky is falling")
	case "goexit":
		runtime.Goexit()
	case "closed streams":
		os.Stdout.Close()
		os.Stderr.Close()
		fmt.Println("lost")
	}
	return nil
})

type blockArgs struct {
	Stop          bool // first stop with SIGSTOP
	ForgetParent  bool // first ask the kernel not to send a parent-death signal
	LoseControl   bool // first replace the control socket by one that never ends
	IgnoreSignals bool
}

// block writes its pid, a line, to its file, and keeps the file open for as long as it lives.
var block = proc.Func("block", func(ctx context.Context, args blockArgs) error {
	if args.ForgetParent {
		if err := forgetParent(); err != nil {
			return err
		}
	}
	if args.LoseControl {
		if err := loseControl(); err != nil {
			return err
		}
	}
	if args.IgnoreSignals {
		signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	}
	if f := proc.File(ctx, 0); f != nil {
		fmt.Fprintln(f, os.Getpid())
	}
	if args.Stop {
		// Returns before the process is stopped if another thread takes the signal.
		if err := unix.Kill(os.Getpid(), unix.SIGSTOP); err != nil {
			return err
		}
	}
	blockForEver()
	return nil
})

// parentOf starts children of the kind of block, one after the other or without end, that write to
// its own file, and never returns.
var parentOf = proc.Func("parentOf", func(ctx context.Context, args parentArgs) error {
	for i := 0; args.Count == 0 || i < args.Count; i++ {
		if _, err := block.Start(ctx, args.Child, proc.Files(proc.File(ctx, 0))); err != nil {
			return err
		}
	}
	blockForEver()
	return nil
})

type parentArgs struct {
	Count int // 0: without end
	Child blockArgs
}

// tree prints the path of each process of a binary tree.
var tree *proc.Function[treeArgs]

type treeArgs struct {
	Path  string
	Depth int
}

func init() {
	tree = proc.Func("tree", func(ctx context.Context, args treeArgs) error {
		out := proc.File(ctx, 0)
		fmt.Fprintf(out, "[%s]", args.Path)
		if args.Depth == 0 {
			return nil
		}
		for _, branch := range []string{"0", "1"} {
			p, err := tree.Start(ctx, treeArgs{args.Path + branch, args.Depth - 1}, proc.Files(out))
			if err != nil {
				return err
			}
			if err := p.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

var write = proc.Func("write", func(_ context.Context, lines int) error {
	for i := range lines {
		fmt.Fprintln(os.Stdout, "out", i)
		fmt.Fprintln(os.Stderr, "err", i)
	}
	return nil
})

// sum writes the sum of the bytes it gets.
var sum = proc.Func("sum", func(ctx context.Context, data []byte) error {
	total := 0
	for _, b := range data {
		total += int(b)
	}
	_, err := fmt.Fprintln(proc.File(ctx, 0), len(data), total)
	return err
})

var withChannel = proc.Func("withChannel", func(context.Context, chan int) error { return nil })

// Two functions that a child may know otherwise than its parent does.
const registryVariable = "PROC_TEST_REGISTRY"

var (
	onlyInParent *proc.Function[int]
	twoFaced     *proc.Function[string]
)

func init() {
	if os.Getenv(registryVariable) == "" {
		onlyInParent = proc.Func("onlyInParent", func(context.Context, int) error { return nil })
		twoFaced = proc.Func("twoFaced", func(context.Context, string) error { return nil })
	} else {
		proc.Func("twoFaced", func(context.Context, []float64) error { return nil })
	}
}

// For what has to be looked at again and again.
const (
	wait = time.Minute
	tick = time.Millisecond
)

// testContext bounds what should take milliseconds.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// pipe returns the ends of a pipe; reads from it fail after a generous time.
func pipe(t testing.TB) (r, w *os.File) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Minute)))
	return r, w
}

// observe runs inspect and returns what it reports.
func observe(t testing.TB, args inspectArgs, opts ...proc.Option) report {
	ctx := testContext(t)
	r, w := pipe(t)
	p, err := inspect.Start(ctx, args, append([]proc.Option{proc.Files(w)}, opts...)...)
	require.NoError(t, err)
	w.Close()
	var got report
	require.NoError(t, json.NewDecoder(r).Decode(&got))
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, p.Pid(), got.Pid)
	require.Equal(t, p.Name(), got.Info.Name)
	return got
}

// exitError starts nothing; it takes apart the error of a Wait or a Start.
func exitError(t testing.TB, err error) *proc.ExitError {
	var e *proc.ExitError
	require.ErrorAs(t, err, &e)
	return e
}

func tempFile(t testing.TB, content string) *os.File {
	path := filepath.Join(t.TempDir(), "peer.txt")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// self returns the path of the test binary.
func self(t testing.TB) string {
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}
