package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/keeper"
	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// A relative takes orders, and puts and gets files.
type relative struct {
	Orders, Answers *queue.Queue[string]
	Files           *queue.Queue[dossier]
	Below           bool // orders are for a child of it
}

var relatives = proc.Func("queue_test.relative", func(ctx context.Context, r relative) error { return r.work(ctx) })

func init() { relativesAgain = relatives }

// relativesAgain is relatives, for one that starts another.
var relativesAgain *proc.Function[relative]

func (r relative) work(ctx context.Context) error {
	if r.Below {
		r.Below = false
		p, err := relativesAgain.Start(ctx, r, proc.Share(proc.Segments(ctx)...), proc.Outlive(time.Minute))
		if err != nil {
			return err
		}
		return p.Wait(ctx)
	}
	for order, err := range r.Orders.All(context.WithoutCancel(ctx)) {
		if err != nil {
			return err
		}
		answer := r.obey(order)
		if err := r.Answers.Put(context.WithoutCancel(ctx), answer); err != nil {
			return err
		}
	}
	return nil
}

// obey answers one order: it puts a file, or gets a message, within a time.
func (r relative) obey(order string) string {
	do, text, _ := strings.Cut(order, " ")
	within, err := time.ParseDuration(text)
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if do == "get" {
		d, err := r.Files.Get(ctx)
		if err != nil {
			return fmt.Sprintf("%v: %v", errors.Is(err, shm.ErrFile), err)
		}
		if d.File == nil {
			return "no file"
		}
		defer d.File.Close()
		b, err := io.ReadAll(d.File)
		return fmt.Sprint(string(b), err)
	}
	f, err := os.Open(os.DevNull)
	if err == nil {
		err = errors.Join(r.Files.Put(ctx, dossier{File: shm.NewFile(f)}), f.Close())
	}
	return fmt.Sprint(err)
}

// ask gives an order, and waits for the answer.
func (r relative) ask(t *testing.T, order string) string {
	t.Helper()
	ctx := bounded(t)
	require.NoError(t, r.Orders.Put(ctx, order))
	return must(r.Answers.Get(ctx))
}

func relativeIn(seg *shm.Segment) (r relative, err error) {
	r.Orders, err = queue.OpenOrNew[string](seg, "orders", 4)
	if err == nil {
		r.Answers, err = queue.OpenOrNew[string](seg, "answers", 4)
	}
	if err == nil {
		r.Files, err = queue.OpenOrNew[dossier](seg, "files", 4)
	}
	return r, err
}

// eldestVariable names the segment by which the eldest of another family, and its child, are given orders.
const eldestVariable = "KINDRED_TEST_ELDEST"

// TestEldest is what the eldest of another family runs.
func TestEldest(t *testing.T) {
	name := os.Getenv(eldestVariable)
	if name == "" {
		name = fmt.Sprintf("kindred-test-eldest-%d", os.Getpid()) // by itself, it is its own family
		r, _ := family(t, name)
		require.Equal(t, "<nil>", r.ask(t, "put 1m"))
		require.Equal(t, "<nil>", r.ask(t, "get 1m"))
		require.NoError(t, r.Orders.Shutdown())
		return
	}
	seg, err := shm.Open(name)
	require.NoError(t, err)
	defer seg.Close()
	r, err := relativeIn(seg)
	require.NoError(t, err)
	before := descriptors(t)
	p, err := relatives.Start(bounded(t), r, proc.Share(seg), proc.Outlive(time.Minute))
	require.NoError(t, err)
	require.NoError(t, p.Wait(bounded(t)))
	nothingKept(t)
	require.Eventually(t, func() bool { return descriptors(t) <= before }, 20*time.Second, time.Millisecond)
}

// family starts an eldest, and its child, which outlives it. The eldest sees at its end whether it has descriptors left.
func family(t *testing.T, name string) (relative, *exec.Cmd) {
	seg, err := shm.Create(name, 1<<20)
	require.NoError(t, err)
	t.Cleanup(func() { _ = errors.Join(seg.Close(), shm.Unlink(name)) })
	r, err := relativeIn(seg)
	require.NoError(t, err)
	c := exec.CommandContext(bounded(t), os.Args[0], "-test.run=^TestEldest$")
	c.Env = append(os.Environ(), eldestVariable+"="+name)
	out, err := os.Create(filepath.Join(t.TempDir(), "out")) // a pipe would be waited for until the child is gone, too
	require.NoError(t, err)
	c.Stdout, c.Stderr = out, out
	require.NoError(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		_ = r.Orders.Shutdown()
		if err := <-ended; c.ProcessState.Exited() {
			text, _ := os.ReadFile(out.Name())
			require.NoError(t, errors.Join(err, out.Close()), "%s", text)
		}
	})
	return r, c
}

func TestAnEldestThatIsStoppedHoldsUpNobodyButWhoNeedsIt(t *testing.T) {
	r, eldest := family(t, fmt.Sprintf("kindred-test-stopped-%d", os.Getpid()))
	ctx := bounded(t)
	require.Equal(t, "<nil>", r.ask(t, "put 1m"))
	require.NoError(t, proctest.Stop(eldest.Process.Pid))

	answer := r.ask(t, "put 20ms")
	require.Contains(t, answer, context.DeadlineExceeded.Error())
	require.Contains(t, answer, strconv.Itoa(eldest.Process.Pid))
	require.Equal(t, 1, r.Files.Len())
	for range 3 { // who needs it not goes on
		require.NoError(t, r.Files.Put(ctx, dossier{}))
	}
	require.True(t, r.Files.Full())

	require.NoError(t, r.Orders.Put(ctx, "get 1m"))
	require.NoError(t, eldest.Process.Signal(syscall.SIGCONT))
	require.Equal(t, "<nil>", must(r.Answers.Get(ctx)))
	for range 3 {
		require.Equal(t, "no file", r.ask(t, "get 1m"))
	}
	require.Equal(t, "<nil>", r.ask(t, "put 1m"))
	require.Equal(t, "<nil>", r.ask(t, "get 1m"))
}

func TestAnEldestThatIsKilledTakesItsFilesAlong(t *testing.T) {
	r, eldest := family(t, fmt.Sprintf("kindred-test-killed-%d", os.Getpid()))
	ctx := bounded(t)
	pid := strconv.Itoa(eldest.Process.Pid)
	require.Equal(t, "<nil>", r.ask(t, "put 1m"))
	require.Equal(t, "<nil>", r.ask(t, "put 1m"))
	before := descriptors(t)
	require.NoError(t, eldest.Process.Kill())

	// Its child, which lives on.
	answer := r.ask(t, "get 1m")
	require.Contains(t, answer, "true: ", "an ErrFile")
	require.Contains(t, answer, pid)
	require.Contains(t, r.ask(t, "put 1m"), pid)
	require.NoError(t, r.Files.Put(ctx, dossier{}))
	// One of another family.
	_, err := r.Files.Get(ctx)
	require.ErrorIs(t, err, shm.ErrFile)
	require.ErrorContains(t, err, pid)
	require.Equal(t, "no file", r.ask(t, "get 1m"))
	require.LessOrEqual(t, descriptors(t), before)
}

func TestAParentThatDiesWhileAFileIsUnderWay(t *testing.T) {
	between := func(t *testing.T) (relative, *proc.Process) {
		seg := anonymous(t)
		r, err := relativeIn(seg)
		require.NoError(t, err)
		r.Below = true
		p, err := relatives.Start(bounded(t), r, proc.Share(seg))
		require.NoError(t, err)
		require.Equal(t, "context deadline exceeded", lastOf(r.ask(t, "get 1ns"))) // the grandchild is there
		t.Cleanup(func() {
			require.NoError(t, r.Orders.Shutdown())
			// Its end of the connection is closed with it.
			nothingKept(t)
		})
		return r, p
	}
	t.Run("before the connection to the eldest", func(t *testing.T) {
		before := descriptors(t)
		t.Cleanup(func() {
			require.Eventually(t, func() bool { return descriptors(t) <= before }, 20*time.Second, time.Millisecond)
		})
		r, p := between(t)
		require.NoError(t, proctest.Stop(p.Pid()))
		answer := r.ask(t, "put 20ms")
		require.Contains(t, answer, context.DeadlineExceeded.Error())
		require.Contains(t, answer, strconv.Itoa(p.Pid()))
		require.NoError(t, r.Orders.Put(bounded(t), "put 1m"))
		proctest.Kill(t, p)
		require.Contains(t, must(r.Answers.Get(bounded(t))), "the parent is gone")
		require.Zero(t, r.Files.Len())
		require.Zero(t, keeper.Count())
	})
	t.Run("behind it", func(t *testing.T) {
		r, p := between(t)
		require.Equal(t, "<nil>", r.ask(t, "put 1m"))
		proctest.Kill(t, p)
		require.Equal(t, "<nil>", r.ask(t, "put 1m"))
		for range 2 {
			require.NoError(t, must(r.Files.Get(bounded(t))).File.Close())
		}
		require.NoError(t, r.Files.Put(bounded(t), dossier{File: shm.NewFile(fileOf(t, "for it"))}))
		require.Equal(t, "for it<nil>", r.ask(t, "get 1m"))
	})
}

// lastOf is what an error's text ends with.
func lastOf(text string) string { return strings.TrimSpace(text[strings.LastIndex(text, ":")+1:]) }
