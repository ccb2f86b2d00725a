package proc_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

func entries(t testing.TB, dir string) int {
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	return len(list)
}

func TestStartsLeakNothing(t *testing.T) {
	ctx := testContext(t)
	n := 200
	if *long {
		n = 1000
	}
	start := func(i int) {
		switch i % 4 {
		case 0:
			p, err := quit.Start(ctx, 0)
			require.NoError(t, err)
			require.NoError(t, p.Wait(ctx))
		case 1:
			p, err := fail.Start(ctx, "text", proc.Stdout(&lineWriter{line: make(chan string, 1)}))
			require.NoError(t, err)
			require.Equal(t, 1, exitError(t, p.Wait(ctx)).Code)
		case 2:
			p, err := block.Start(ctx, blockArgs{})
			require.NoError(t, err)
			require.NoError(t, p.Close())
		case 3:
			_, err := fail.Start(ctx, "", mode("exit 7"))
			require.Equal(t, 7, exitError(t, err).Code)
		}
	}
	for i := range 4 {
		start(i) // what the runtime makes once and keeps
	}
	descriptors := entries(t, "/proc/self/fd")
	goroutines := goleak.IgnoreCurrent()
	for i := range n {
		start(i)
	}
	require.LessOrEqual(t, entries(t, "/proc/self/fd"), descriptors)
	goleak.VerifyNone(t, goroutines)
	_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
	require.ErrorIs(t, err, unix.ECHILD, "no zombies, and no children")
}

// starve starts children with ever more descriptors to spare, from none on.
var starve = proc.Func("starve", func(ctx context.Context, _ struct{}) error {
	try := func() error {
		p, err := fail.Start(ctx, "", proc.Stdout(&strings.Builder{}))
		if err != nil {
			return err
		}
		return p.Wait(ctx)
	}
	if err := try(); err != nil {
		return err // nothing but what the runtime makes once and keeps may be new below
	}
	open := func() (list []int) {
		for fd := range 200 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				list = append(list, fd)
			}
		}
		return list
	}
	before := open()
	limit := unix.Rlimit{Max: 1000}
	refused := 0
	for limit.Cur = 3; ; limit.Cur++ {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		err := try()
		if now := open(); !slices.Equal(before, now) {
			return fmt.Errorf("limit %d, error %v: open before %v, after %v", limit.Cur, err, before, now)
		}
		if err == nil {
			break
		}
		refused++
	}
	_, err := fmt.Fprintln(proc.File(ctx, 0), refused)
	return err
})

func TestStartsWithoutDescriptorsFailCleanly(t *testing.T) {
	ctx := testContext(t)
	r, w := pipe(t)
	p, err := starve.Start(ctx, struct{}{}, proc.Files(w))
	require.NoError(t, err)
	w.Close()
	var refused int
	_, scanErr := fmt.Fscan(r, &refused)
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, scanErr)
	require.Greater(t, refused, 8)
}

func TestManyStartsAtOnce(t *testing.T) {
	ctx := testContext(t)
	var wg sync.WaitGroup
	pids := make(chan int, 50)
	for i := range 50 {
		wg.Go(func() {
			p, err := fail.Start(ctx, fmt.Sprint("number ", i))
			if err != nil {
				t.Error(err)
				return
			}
			pids <- p.Pid()
			if got := exitError(t, p.Wait(ctx)).Text; got != fmt.Sprint("number ", i) {
				t.Error(got)
			}
		})
	}
	wg.Wait()
	close(pids)
	seen := map[int]bool{}
	for pid := range pids {
		seen[pid] = true
	}
	require.Len(t, seen, 50)
}

func TestChildHasOnlyTheDescriptorsItWasGiven(t *testing.T) {
	null, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
	require.NoError(t, err)
	defer unix.Close(null)
	require.NoError(t, unix.Dup3(null, highInheritable, 0))
	defer unix.Close(highInheritable)
	require.NoError(t, unix.Dup3(null, highCloseOnExec, unix.O_CLOEXEC))
	defer unix.Close(highCloseOnExec)

	first := observe(t, inspectArgs{})
	require.Equal(t, map[int]bool{highInheritable: false, highCloseOnExec: false}, first.HighNumbered)
	require.Equal(t, []int{0, 1, 2}, first.Inheritable)

	// Also with others running, each has the same number.
	ctx := testContext(t)
	for range 5 {
		p, err := block.Start(ctx, blockArgs{})
		require.NoError(t, err)
		defer p.Close()
		require.Equal(t, first.Descriptors, observe(t, inspectArgs{}).Descriptors)
	}
}

func TestWaitingForChildrenHoldsNoThreads(t *testing.T) {
	ctx := testContext(t)
	const n = 60
	before := entries(t, "/proc/self/task")
	children := make([]*proc.Process, n)
	for i := range children {
		p, err := block.Start(ctx, blockArgs{}, proc.GOMAXPROCS(1))
		require.NoError(t, err)
		children[i] = p
	}
	require.Less(t, entries(t, "/proc/self/task"), before+n/3)
	for _, p := range children {
		require.NoError(t, p.Terminate())
	}
	for _, p := range children {
		require.Equal(t, syscall.SIGTERM, exitError(t, p.Wait(ctx)).Signal)
	}
}

// startOnEndingThread runs f on a thread that ends afterwards, and leaves its id.
func startOnEndingThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// The main thread cannot end; this one keeps it while another is tried.
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		go func() { defer close(done); startOnEndingThread(f) }()
		<-done
		return
	}
	endingThread = unix.Gettid()
	f()
}

var endingThread int

func threadEnded(t *testing.T) {
	require.Eventually(t, func() bool {
		return unix.Tgkill(os.Getpid(), endingThread, 0) == unix.ESRCH
	}, wait, tick)
}
