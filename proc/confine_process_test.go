//go:build linux || darwin

package proc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

// confined is what a process finds that is restricted.
type confined struct {
	Nice       []int // of each of its threads, as getpriority(2) has it
	Core, Soft uint64
	CPUs       int
	MaxProcs   int
}

var lookAtConfines = proc.Func("confine/look", func(ctx context.Context, _ bool) error {
	var core, files syscall.Rlimit
	err := errors.Join(syscall.Getrlimit(syscall.RLIMIT_CORE, &core), syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	threads, _ := filepath.Glob("/proc/self/task/*")
	c := confined{Core: core.Max, Soft: files.Cur, CPUs: allowedCPUs(), MaxProcs: runtime.GOMAXPROCS(0)}
	for _, path := range append(threads, "0") {
		var id int
		_, _ = fmt.Sscan(filepath.Base(path), &id)
		n, e := unix.Getpriority(unix.PRIO_PROCESS, id)
		if e == nil { // else it has ended
			c.Nice = append(c.Nice, n)
		}
	}
	return errors.Join(err, json.NewEncoder(proc.File(ctx, 0)).Encode(c))
})

func confines(t *testing.T, opts ...proc.Option) (c confined) {
	t.Helper()
	ctx := testContext(t)
	r, w := pipe(t)
	p, err := lookAtConfines.Start(ctx, true, append(opts, proc.Files(w))...)
	require.NoError(t, err)
	w.Close()
	require.NoError(t, json.NewDecoder(r).Decode(&c))
	require.NoError(t, p.Wait(ctx))
	return c
}

func TestNicenessAndLimitsReachTheChild(t *testing.T) {
	plain := confines(t)
	c := confines(t, proc.Nice(7), proc.Rlimit(syscall.RLIMIT_CORE, 0, 0), proc.Rlimit(syscall.RLIMIT_NOFILE, 99, 100))
	require.Zero(t, c.Core)
	require.EqualValues(t, 99, c.Soft)
	require.NotEqual(t, plain.Soft, c.Soft)
	want := 7
	if runtime.GOOS == "linux" {
		want = 20 - want // so the system call has it
	}
	for _, n := range c.Nice {
		require.Equal(t, want, n, "of each thread: %v", c.Nice)
	}
}

func TestALimitThatTheSystemRefuses(t *testing.T) {
	_, err := lookAtConfines.Start(testContext(t), true, proc.Rlimit(9999, 1, 1))
	require.ErrorContains(t, err, "Rlimit(9999, 1, 1)")
	require.ErrorContains(t, err, syscall.EINVAL.Error())
}

func TestConfinesThatDoNotExist(t *testing.T) {
	for name, o := range map[string]proc.Option{
		"less nice": proc.Nice(-21), "nicer": proc.Nice(20), "soft above hard": proc.Rlimit(0, 2, 1), "resource": proc.Rlimit(-1, 1, 1),
		"no CPU": proc.Affinity(), "CPU": proc.Affinity(1024), "CPU below 0": proc.Affinity(0, -1), "logger": proc.Log(nil),
		"outlive": proc.Outlive(0),
	} {
		_, err := lookAtConfines.Start(testContext(t), true, o)
		require.ErrorIs(t, err, proc.ErrOption, name)
	}
}

var chatter = proc.Func("confine/chatter", func(_ context.Context, n int) error {
	fmt.Println("first")
	fmt.Fprint(os.Stderr, "an error\r\n\nand ")
	fmt.Fprint(os.Stderr, "more")
	_, err := io.WriteString(os.Stdout, strings.Repeat("x", n))
	return err
})

func TestWhatAChildWritesIsLoggedLineByLine(t *testing.T) {
	ctx := testContext(t)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	const long = 64 << 10
	p, err := chatter.Start(ctx, long+3, proc.Log(log), proc.Name("talks"))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	got := make(map[string][]string)
	for d := json.NewDecoder(&out); ; {
		var r struct{ Level, Msg, Process, Stream string }
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.Equal(t, "talks", r.Process)
		got[r.Level+" "+r.Stream] = append(got[r.Level+" "+r.Stream], r.Msg)
	}
	require.Equal(t, map[string][]string{
		"INFO stdout": {"first", strings.Repeat("x", long), "xxx"},
		"WARN stderr": {"an error", "", "and more"},
	}, got)
}

// heir starts a child that outlives it, and dies.
var heir = proc.Func("confine/heir", func(ctx context.Context, d time.Duration) error {
	_, err := orphan.Start(ctx, true, proc.Outlive(d), proc.Files(proc.File(ctx, 0)))
	if err != nil {
		return err
	}
	return proc.File(ctx, 0).Close()
})

var orphan = proc.Func("confine/orphan", func(ctx context.Context, _ bool) error {
	<-proc.Parent().Done()
	fmt.Fprintf(proc.File(ctx, 0), "%s died\n", proc.Parent().Name())
	select {} // until it must go
})

func TestAChildMayOutliveItsParentForAWhile(t *testing.T) {
	require.Nil(t, proc.Parent())
	ctx := testContext(t)
	r, w := pipe(t)
	p, err := heir.Start(ctx, time.Second, proc.Files(w), proc.Name("the parent"))
	require.NoError(t, err)
	w.Close()
	require.NoError(t, p.Wait(ctx))
	text, err := io.ReadAll(r) // until the orphan is gone as well
	require.NoError(t, err)
	require.Equal(t, "the parent died\n", string(text))
}
