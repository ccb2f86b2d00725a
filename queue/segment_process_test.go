//go:build linux || darwin

package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// find is objects of a segment that nobody has but who made them.
type find struct {
	Number *state.Value[int]
	Event  *sync.Event
}

// digger is told what to do with finds.
type digger struct {
	Do      string
	In, Out *queue.Queue[find]
	Find    find
	Deeper  int
}

var (
	diggers      = proc.Func("queue_test.digger", func(ctx context.Context, d digger) error { return d.work(ctx) })
	diggersAgain *proc.Function[digger]
)

func init() { diggersAgain = diggers }

func newFind(number int) (f find, err error) {
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		return f, err
	}
	f.Number, err = state.NewValue(seg, number)
	if err == nil {
		f.Event, err = sync.NewEvent(seg)
	}
	return f, err
}

func (d digger) work(ctx context.Context) error {
	if d.Deeper > 0 {
		d.Deeper--
		p, err := diggersAgain.Start(ctx, d, proc.Share(proc.Segments(ctx)...))
		if err != nil {
			return err
		}
		return p.Wait(ctx)
	}
	switch d.Do {
	case "put":
		f, err := newFind(7)
		if err != nil {
			return err
		}
		return d.Out.Put(ctx, f)
	case "put and wait":
		f, err := newFind(7)
		if err == nil {
			err = d.Out.Put(ctx, f)
		}
		if err == nil {
			err = f.Event.Wait(ctx)
		}
		if n, failed := f.Number.Load(); failed != nil || n != 8 {
			err = errors.Join(err, failed, fmt.Errorf("%d in the value", n))
		}
		return err
	case "get":
		f, err := d.In.Get(ctx)
		if err != nil {
			return err
		}
		return f.use()
	case "arguments":
		return d.Find.use()
	}
	return errors.ErrUnsupported
}

// use notices whether the find is what it was.
func (f find) use() error {
	n, err := f.Number.Load()
	if err == nil && n != 7 {
		err = fmt.Errorf("%d in the value", n)
	}
	if err == nil {
		err = f.Number.Store(8)
	}
	if err == nil {
		err = f.Event.Set()
	}
	return err
}

func TestAnObjectOfASegmentThatTheReceiverHasNotYetArrives(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := must(queue.New[find](seg, 4))
	start := func(d digger) *proc.Process {
		d.In, d.Out = q, q
		p, err := diggers.Start(ctx, d, proc.Share(seg))
		require.NoError(t, err)
		return p
	}
	t.Run("from the parent", func(t *testing.T) {
		f := must(newFind(7))
		require.NoError(t, q.Put(ctx, f))
		require.NoError(t, start(digger{Do: "get"}).Wait(ctx))
		require.NoError(t, f.Event.Wait(ctx))
		require.Equal(t, 8, must(f.Number.Load()))
	})
	t.Run("from a child that is gone", func(t *testing.T) {
		require.NoError(t, start(digger{Do: "put", Deeper: 1}).Wait(ctx))
		f := must(q.Get(ctx))
		require.Equal(t, 7, must(f.Number.Load()))
		nothingKept(t)
		require.NoError(t, f.use())
	})
	t.Run("between siblings", func(t *testing.T) {
		one := start(digger{Do: "put and wait"})
		require.NoError(t, start(digger{Do: "get"}).Wait(ctx))
		require.NoError(t, one.Wait(ctx))
		nothingKept(t)
	})
	t.Run("in arguments", func(t *testing.T) {
		f := must(newFind(7))
		require.NoError(t, start(digger{Do: "arguments", Find: f, Deeper: 1}).Wait(ctx))
		require.NoError(t, f.Event.Wait(ctx))
		runtime.KeepAlive(f)
	})
}

// strangerVariable names the segment through which one of another family gets a file, and an object.
const strangerVariable = "KINDRED_TEST_STRANGER"

func TestWhatTravelsToAnotherFamily(t *testing.T) {
	ctx := bounded(t)
	if name := os.Getenv(strangerVariable); name != "" {
		fmt.Println("stranger:", strange(ctx, name))
		return
	}
	name := fmt.Sprintf("kindred-test-families-%d", os.Getpid())
	seg, err := shm.Create(name, 1<<20)
	require.NoError(t, err)
	t.Cleanup(func() { _ = errors.Join(seg.Close(), shm.Unlink(name)) })
	files, finds := must(queue.New[*shm.File](seg, 2, shm.Named("files"))), must(queue.New[find](seg, 2, shm.Named("finds")))
	require.NoError(t, files.Put(ctx, shm.NewFile(fileOf(t, "contents"))))
	f := must(newFind(7))
	require.NoError(t, finds.Put(ctx, f))

	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestWhatTravelsToAnotherFamily$")
	c.Env = append(os.Environ(), strangerVariable+"="+name)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	if strings.Contains(string(out), "stranger: <nil>") {
		require.NoError(t, f.Event.Wait(ctx))
		require.Equal(t, 8, must(f.Number.Load()))
	} else { // the system does not let the one have what the other has
		require.Contains(t, string(out), "of another family")
	}
	nothingKept(t)
}

// strange gets a file, and a find.
func strange(ctx context.Context, name string) error {
	seg, err := shm.Open(name)
	if err != nil {
		return err
	}
	defer seg.Close()
	files, err := queue.Open[*shm.File](seg, "files")
	if err != nil {
		return err
	}
	finds, err := queue.Open[find](seg, "finds")
	if err != nil {
		return err
	}
	file, failed := files.Get(ctx)
	if failed == nil {
		defer file.Close()
		b, err := io.ReadAll(file)
		if failed = err; string(b) != "contents" {
			failed = errors.Join(err, fmt.Errorf("%q in the file", b))
		}
	} else if !errors.Is(failed, shm.ErrFile) {
		return fmt.Errorf("no ErrFile: %w", failed)
	}
	f, err := finds.Get(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, f.use())
}
