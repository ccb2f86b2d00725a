//go:build linux || darwin

package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

func TestChildSeesArgumentsAndItself(t *testing.T) {
	args := inspectArgs{Numbers: map[string]int{"a": 1, "b": -2}, Text: "grüß\x00 dich"}
	got := observe(t, args, proc.Name("a name: with everything"), proc.Env("GREETING=hello"))
	require.Equal(t, args, got.Args)
	require.Equal(t, os.Args[:1], got.OSArgs)
	require.Equal(t, proc.Info{Name: "a name: with everything", Function: "inspect", Pid: got.Pid, Parent: os.Getpid()}, got.Info)
	require.Equal(t, got.Pid, got.Group, "a process group of its own")
	require.Equal(t, "hello", got.Greeting)
	require.Empty(t, got.Invitation, "the variable is cleared")
	require.True(t, got.StdinIsNull)
	require.False(t, got.Beyond)

	require.Equal(t, proc.Info{Pid: os.Getpid(), Parent: os.Getppid()}, proc.Current())
	require.Nil(t, proc.File(context.Background(), 0))
}

func TestDefaultNamesAreNumbered(t *testing.T) {
	one, two := observe(t, inspectArgs{}), observe(t, inspectArgs{})
	require.Regexp(t, `^inspect-\d+$`, one.Info.Name)
	require.NotEqual(t, one.Info.Name, two.Info.Name)
}

func TestOptionsReachTheChild(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	t.Setenv("GREETING", "from the parent")
	peer := tempFile(t, "contents")
	got := observe(t, inspectArgs{},
		proc.Dir(dir), proc.GOMAXPROCS(3), proc.GOMEMLIMIT(1<<28), proc.Files(peer))
	require.Equal(t, dir, got.Dir)
	require.Equal(t, 3, got.GOMAXPROCS)
	require.EqualValues(t, 1<<28, got.MemoryLimit)
	require.Equal(t, "from the parent", got.Greeting)
	require.Equal(t, "contents", got.Peer)
	require.Equal(t, filepath.Base(peer.Name()), got.PeerName)

	got = observe(t, inspectArgs{}, proc.Env("GREETING=1", "GREETING=2"), proc.Env("GREETING=3"), proc.GOMAXPROCS(1))
	require.Equal(t, "3", got.Greeting)
	require.Equal(t, 1, got.GOMAXPROCS)
}

func TestBadOptionsAreRefused(t *testing.T) {
	for name, opt := range map[string]proc.Option{
		"empty name":       proc.Name(""),
		"long name":        proc.Name(strings.Repeat("n", 256)),
		"nil file":         proc.Files(nil),
		"not a variable":   proc.Env("GREETING"),
		"variable's name":  proc.Env("=x"),
		"own variable":     proc.Env("KINDRED_CHILD=v1:3:00"),
		"NUL":              proc.Env("A=\x00"),
		"GOMAXPROCS":       proc.GOMAXPROCS(0),
		"GOMEMLIMIT":       proc.GOMEMLIMIT(-1),
		"empty executable": proc.Executable(""),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := fail.Start(testContext(t), "", opt)
			require.Nil(t, p)
			require.ErrorIs(t, err, proc.ErrOption)
		})
	}
	_, err := fail.Start(testContext(t), "", proc.Dir("/no/such/dir"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "/no/such/dir")
	_, err = fail.Start(testContext(t), "", proc.Dir("/dev/null"))
	require.ErrorIs(t, err, syscall.ENOTDIR)
	_, err = fail.Start(testContext(t), "", proc.Executable("/no/such/program"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "/no/such/program")
	closed := tempFile(t, "")
	closed.Close()
	_, err = fail.Start(testContext(t), "", proc.Files(closed))
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestExitStatusIsReported(t *testing.T) {
	ctx := testContext(t)
	for code := range []int{0, 1, 2, 8, 255} {
		p, err := quit.Start(ctx, code)
		require.NoError(t, err)
		err = p.Wait(ctx)
		if code == 0 {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, &proc.ExitError{Pid: p.Pid(), Name: p.Name(), Code: code}, exitError(t, err))
	}
}

func TestErrorOfFunctionIsReported(t *testing.T) {
	ctx := testContext(t)
	for _, text := range []string{"", "no such thing", strings.Repeat("long ", 100_000), strings.Repeat("x", 2<<20)} {
		p, err := fail.Start(ctx, text, proc.Name("failing"))
		require.NoError(t, err)
		err = p.Wait(ctx)
		if text == "" {
			require.NoError(t, err)
			continue
		}
		e := exitError(t, err)
		require.Equal(t, 1, e.Code)
		require.Nil(t, e.Signal)
		if len(text) > 1<<20 {
			require.Equal(t, text[:1<<20]+"... (1048576 bytes more)", e.Text)
			continue
		}
		require.Equal(t, text, e.Text)
		require.Equal(t, fmt.Sprintf(`proc: "failing" (pid %d): exit status 1: %s`, p.Pid(), text), err.Error())
	}
}

func TestPanicIsPrintedByTheRuntime(t *testing.T) {
	ctx := testContext(t)
	var stderr bytes.Buffer
	p, err := misbehave.Start(ctx, "panic", proc.Stderr(&stderr))
	require.NoError(t, err)
	e := exitError(t, p.Wait(ctx))
	require.Equal(t, 2, e.Code)
	require.Empty(t, e.Text)
	require.Contains(t, stderr.String(), "panic: the sky is falling\n\ngoroutine 1")
}

func TestGoexitEndsTheChild(t *testing.T) {
	ctx := testContext(t)
	p, err := misbehave.Start(ctx, "goexit")
	require.NoError(t, err)
	e := exitError(t, p.Wait(ctx))
	require.Equal(t, 1, e.Code)
	require.Contains(t, e.Text, "runtime.Goexit")
}

func TestSignalIsReported(t *testing.T) {
	ctx := testContext(t)
	for sig, send := range map[syscall.Signal]func(*proc.Process) error{
		syscall.SIGKILL: (*proc.Process).Kill,
		syscall.SIGTERM: (*proc.Process).Terminate,
		syscall.SIGINT:  (*proc.Process).Interrupt,
		syscall.SIGHUP:  func(p *proc.Process) error { return p.Signal(syscall.SIGHUP) },
	} {
		if signal.Ignored(sig) {
			continue // since before this process, as by nohup, and so in its children
		}
		p, err := block.Start(ctx, blockArgs{})
		require.NoError(t, err)
		require.True(t, p.Alive())
		require.NoError(t, send(p))
		e := exitError(t, p.Wait(ctx))
		require.Equal(t, &proc.ExitError{Pid: p.Pid(), Name: p.Name(), Code: -1, Signal: sig}, e)
		require.Contains(t, e.Error(), "signal: "+sig.String())

		require.False(t, p.Alive())
		require.ErrorIs(t, send(p), os.ErrProcessDone)
	}
}

func TestTerminateRightAfterStart(t *testing.T) {
	ctx := testContext(t)
	var children []*proc.Process
	for range 30 {
		p, err := block.Start(ctx, blockArgs{})
		require.NoError(t, err)
		require.NoError(t, p.Terminate())
		children = append(children, p)
	}
	for _, p := range children {
		require.Equal(t, syscall.SIGTERM, exitError(t, p.Wait(ctx)).Signal)
	}
}

func TestWaitHasManyCallersAndLeavesTheProcessAlone(t *testing.T) {
	ctx := testContext(t)
	p, err := block.Start(ctx, blockArgs{})
	require.NoError(t, err)
	short, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { require.ErrorIs(t, p.Wait(short), context.Canceled) })
	}
	cancel()
	wg.Wait()
	require.True(t, p.Alive())

	for range 20 {
		wg.Go(func() { require.Equal(t, syscall.SIGKILL, exitError(t, p.Wait(ctx)).Signal) })
	}
	require.NoError(t, p.Kill())
	wg.Wait()
	<-p.Done()
	require.Equal(t, syscall.SIGKILL, exitError(t, p.Wait(short)).Signal, "the answer is there: the context does not matter")
}

func TestCloseKillsAndReleases(t *testing.T) {
	ctx := testContext(t)
	p, err := block.Start(ctx, blockArgs{IgnoreSignals: true})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { require.NoError(t, p.Close()) })
	}
	wg.Wait()
	require.ErrorIs(t, unix.Kill(p.Pid(), 0), unix.ESRCH, "no zombie")
	require.Equal(t, syscall.SIGKILL, exitError(t, p.Wait(ctx)).Signal)

	p, err = fail.Start(ctx, "before it was closed")
	require.NoError(t, err)
	<-p.Done()
	require.NoError(t, p.Close())
	require.Equal(t, "before it was closed", exitError(t, p.Wait(ctx)).Text)
}

func TestArgumentsHaveNoLimitOfSize(t *testing.T) {
	ctx := testContext(t)
	for _, size := range []int{0, 1, 5 << 20} {
		r, w := pipe(t)
		p, err := sum.Start(ctx, bytes.Repeat([]byte{3}, size), proc.Files(w))
		require.NoError(t, err)
		w.Close()
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintln(size, 3*size), string(got))
		require.NoError(t, p.Wait(ctx))
	}
}

func TestOutputGoesToWriters(t *testing.T) {
	ctx := testContext(t)
	var both bytes.Buffer // of one writer, that two goroutines must not call at once
	p, err := write.Start(ctx, 1000, proc.Stdout(&both), proc.Stderr(&both))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, 2000, strings.Count(both.String(), "\n"))
	require.True(t, strings.HasPrefix(both.String(), "out 0\nerr 0\nout 1\n"))

	r, w := pipe(t)
	var stderr bytes.Buffer
	p, err = write.Start(ctx, 2, proc.Stdout(w), proc.Stderr(&stderr))
	require.NoError(t, err)
	w.Close()
	stdout, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, "out 0\nout 1\n", string(stdout))
	require.Equal(t, "err 0\nerr 1\n", stderr.String())
}

func TestLastLinesOfStderrAreKept(t *testing.T) {
	ctx := testContext(t)
	var both bytes.Buffer
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	for _, to := range []io.Writer{&both, nil, file} {
		p, err := write.Start(ctx, 1000, proc.Stdout(nil), proc.Stderr(to), proc.KeepStderr(20))
		require.NoError(t, err)
		require.NoError(t, p.Wait(ctx))
		require.Equal(t, "err 998\nerr 999\n", p.LastStderr())
	}
	require.Equal(t, 1000, strings.Count(both.String(), "\n"))
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.True(t, both.String() == string(text))

	both.Reset()
	p, err := write.Start(ctx, 1000, proc.Stdout(&both), proc.Stderr(&both), proc.KeepStderr(20))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.True(t, strings.HasPrefix(both.String(), "out 0\nerr 0\nout 1\n"))
	require.Equal(t, "out 999\nerr 999\n", p.LastStderr())

	p, err = write.Start(ctx, 1, proc.Stdout(nil), proc.Stderr(nil))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Empty(t, p.LastStderr())
	_, err = write.Start(ctx, 1, proc.KeepStderr(-1))
	require.ErrorIs(t, err, proc.ErrOption)
}

// lateWriter takes nothing before the process is gone.
type lateWriter struct {
	pid  chan int
	text strings.Builder
}

func (w *lateWriter) Write(b []byte) (int, error) {
	pid := <-w.pid
	for unix.Kill(pid, 0) == nil {
		time.Sleep(tick)
	}
	w.pid <- pid
	return w.text.Write(b)
}

func TestOutputIsCompleteWhenTheProcessIsDone(t *testing.T) {
	ctx := testContext(t)
	late := &lateWriter{pid: make(chan int, 1)}
	p, err := write.Start(ctx, 100, proc.Stdout(late), proc.Stderr(nil))
	require.NoError(t, err)
	late.pid <- p.Pid()
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, 100, strings.Count(late.text.String(), "\n"))
}

type leaveArgs struct{ Text, Gate string }

// leave writes, and leaves a program behind that holds the child's standard streams, and its control socket, until its gate is
// opened, and then writes.
var leave = proc.Func("leave", func(_ context.Context, args leaveArgs) error {
	cmd := exec.Command("/bin/sh", "-c", `read line <"$0"; echo late >&2`, args.Gate)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	control, err := unix.Dup(3)
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(control), "control socket")}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Fprint(os.Stderr, args.Text)
	return errors.New("that is all")
})

// newGate makes a place where a program waits for the test.
func newGate(t *testing.T) (path string, open func()) {
	path = filepath.Join(t.TempDir(), "gate")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	return path, func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // until the program opens it to read
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// lockedText is a writer whose text may be looked at while there is somebody who might still write.
type lockedText struct {
	mu sync.Mutex
	b  []byte
}

func (w *lockedText) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, b...)
	return len(b), nil
}

func (w *lockedText) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.b)
}

func TestADescendantThatHoldsTheStreamsIsNotTheChild(t *testing.T) {
	ctx := testContext(t)
	over, cancel := context.WithCancel(ctx)
	cancel()
	text := strings.Repeat("its own\n", 8000)
	for keep, kept := range map[int]string{0: "", 20: "its own\nits own\n"} {
		gate, open := newGate(t)
		var stderr lockedText
		p, err := leave.Start(ctx, leaveArgs{text, gate}, proc.Stdout(io.Discard), proc.Stderr(&stderr), proc.KeepStderr(keep))
		require.NoError(t, err)
		<-p.Done()
		require.True(t, stderr.text() == text, "what itself wrote is all there, and nothing else")
		require.Equal(t, kept, p.LastStderr())
		require.Equal(t, "that is all", exitError(t, p.Err()).Text)
		code, ended := p.ExitCode()
		require.True(t, ended)
		require.Equal(t, 1, code)
		require.NotContains(t, proc.Children(), p)

		require.ErrorIs(t, p.Wait(over), context.Canceled, "the output is not at its end")
		open()
		require.Equal(t, p.Err(), p.Wait(ctx))
		require.True(t, stderr.text() == text+"late\n", "nor is it cut off")
	}
}

func TestWaitForADescendantThatHoldsTheStreamsHasItsLimit(t *testing.T) {
	ctx := testContext(t)
	gate, open := newGate(t)
	p, err := leave.Start(ctx, leaveArgs{"", gate}, proc.Stdout(io.Discard), proc.Stderr(nil))
	require.NoError(t, err)
	require.Equal(t, "that is all", exitError(t, p.Wait(ctx)).Text)
	open()
}

type brokenWriter struct{ calls int }

func (w *brokenWriter) Write([]byte) (int, error) { w.calls++; return 0, io.ErrClosedPipe }

// uncomparable is a writer of a type that cannot be compared.
type uncomparable struct{ sinks []io.Writer }

func (u uncomparable) Write(b []byte) (int, error) { return u.sinks[0].Write(b) }

func TestChildSurvivesBadOutputs(t *testing.T) {
	ctx := testContext(t)
	broken := &brokenWriter{}
	p, err := write.Start(ctx, 50_000, proc.Stdout(broken), proc.Stderr(nil))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, 1, broken.calls)

	var out bytes.Buffer
	u := uncomparable{[]io.Writer{&out}}
	p, err = fail.Start(ctx, "", proc.Stdout(u), proc.Stderr(u))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))

	p, err = misbehave.Start(ctx, "closed streams")
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
}

func TestChildOfParentWithoutStreams(t *testing.T) {
	ctx := testContext(t)
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	closed := tempFile(t, "")
	closed.Close()
	os.Stdout, os.Stderr = closed, nil
	p, err := write.Start(ctx, 10)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
}

func TestTreeOfProcesses(t *testing.T) {
	ctx := testContext(t)
	r, w := pipe(t)
	p, err := tree.Start(ctx, treeArgs{Depth: 2}, proc.Files(w))
	require.NoError(t, err)
	w.Close()
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, "[][0][00][01][1][10][11]", string(got))
}

func TestDuplicateNamePanicsWithBothPlaces(t *testing.T) {
	text := func() (text string) {
		defer func() { text = fmt.Sprint(recover()) }()
		proc.Func("quit", func(context.Context, int) error { return nil })
		return ""
	}()
	require.Regexp(t, `Func\("quit"\) at .*proc_process_test\.go:\d+: the name is taken by Func at .*main_test\.go:\d+`, text)
	require.Panics(t, func() { proc.Func("", func(context.Context, int) error { return nil }) })
	require.Panics(t, func() { proc.Func[int]("without a function", nil) })
}
