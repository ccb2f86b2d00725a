//go:build linux || darwin

package inspect

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// kindred is the tool as it is built.
var kindred string

func TestMain(m *testing.M) { proc.TestMain(tests{m}) }

// tests is what there is to run in a process that is not a child.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	dir, err := os.MkdirTemp("", "kindred-test-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	kindred = filepath.Join(dir, "kindred")
	build := exec.Command("go", "build", "-o", kindred, "../..")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 1
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

// run runs the tool, and returns its exit status and what it wrote.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, kindred, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	require.NotContains(t, errs.String(), "goroutine ", "the tool crashed")
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// succeed runs the tool, which must succeed, and returns what it wrote.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := run(t, args...)
	require.Equal(t, exitDone, status, "%v: %s%s", args, stdout, stderr)
	require.Empty(t, stderr)
	return stdout
}

// refuse runs the tool, which must exit with that status, and returns what it complains of.
func refuse(t *testing.T, status int, args ...string) string {
	t.Helper()
	got, stdout, stderr := run(t, args...)
	require.Equal(t, status, got, "%v: %s%s", args, stdout, stderr)
	require.NotEmpty(t, stderr)
	return stderr
}

// house is a segment with one object of each kind, and this process as its first participant.
type house struct {
	dir     string
	seg     *shm.Segment
	door    *sync.Mutex
	arrived *sync.Semaphore
	ticks   *ring.SPSC[uint32]
	log     *ring.Bytes
}

func build(t *testing.T, name string, opts ...shm.Option) *house {
	t.Helper()
	h := &house{dir: t.TempDir()}
	seg, err := shm.Create(name, 1<<20, append(opts, shm.Dir(h.dir), shm.As("landlord"))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	h.seg = seg
	h.door, err = sync.NewMutex(seg, shm.Named("door"))
	require.NoError(t, err)
	h.arrived, err = sync.NewSemaphore(seg, 0, shm.Named("arrived"))
	require.NoError(t, err)
	h.ticks, err = ring.NewSPSC[uint32](seg, 8, shm.Named("ticks"))
	require.NoError(t, err)
	h.log, err = ring.NewBytes(seg, 100, shm.Named("log"))
	require.NoError(t, err)
	return h
}

// lease is what a tenant is told.
type lease struct {
	Dir, Segment, Name string
	Waits              bool // for the door, instead of having it
}

// tenant is another process: it holds the door and the writing ends, with half of ticks full, or
// waits for the door.
var tenant = proc.Func("tenant", func(ctx context.Context, l lease) error {
	seg, err := shm.Open(l.Segment, shm.Dir(l.Dir), shm.As(l.Name))
	if err != nil {
		return err
	}
	arrived, err := sync.OpenSemaphore(seg, "arrived")
	if err != nil {
		return err
	}
	door, err := sync.OpenMutex(seg, "door")
	if err != nil {
		return err
	}
	if l.Waits {
		if err := arrived.Release(1); err != nil {
			return err
		}
		return door.Lock(ctx)
	}
	if err := door.Lock(ctx); err != nil {
		return err
	}
	if err := write(ctx, seg); err != nil {
		return err
	}
	if err := arrived.Release(1); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
})

func write(ctx context.Context, seg *shm.Segment) error {
	ticks, err := ring.OpenSPSC[uint32](seg, "ticks")
	if err != nil {
		return err
	}
	w, err := ticks.Writer()
	if err != nil {
		return err
	}
	for i := range uint32(ticks.Cap() / 2) {
		if err := w.Push(ctx, i); err != nil {
			return err
		}
	}
	log, err := ring.OpenBytes(seg, "log")
	if err != nil {
		return err
	}
	b, err := log.Writer()
	if err != nil {
		return err
	}
	record, err := b.Reserve(ctx, 5)
	if err != nil {
		return err
	}
	b.Commit(copy(record, "hello"))
	return nil
}

// let starts a tenant, and returns when it is where it belongs.
func (h *house) let(t *testing.T, name string, waits bool) *proc.Process {
	t.Helper()
	ctx := context.Background()
	child, err := tenant.Start(ctx, lease{Dir: h.dir, Segment: h.seg.Name(), Name: name, Waits: waits})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, child.Close()) })
	// Not Acquire: whoever waits hears of deaths, and sweeps.
	require.Eventually(t, func() bool {
		got, err := h.arrived.TryAcquire(1)
		return err == nil && got
	}, time.Minute, time.Millisecond)
	return child
}

// kill ends a child at once.
func kill(t *testing.T, child *proc.Process) {
	t.Helper()
	require.NoError(t, child.Kill())
	require.Error(t, child.Wait(context.Background()))
}
