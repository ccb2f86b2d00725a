package pool_test

import (
	"bytes"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kindred-ipc/kindred/pool"
)

func entries(t testing.TB, dir string) int {
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	return len(list)
}

func TestTenThousandCallsAtOnceTakeAHandfulOfThreads(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	path, open := newGate(t)
	path2, open2 := newGate(t)
	first, second := start(ctx, p, gate, path), start(ctx, p, gate, path2)
	eventually(t, func() bool { return p.Workers()[0].Running != nil && p.Workers()[1].Running != nil })

	before := entries(t, "/proc/self/task")
	var wg sync.WaitGroup
	for n := range 10_000 {
		wg.Go(func() {
			if got, err := double.Call(ctx, p, n); err != nil || got != 2*n {
				t.Error(n, got, err)
			}
		})
	}
	go open()
	go open2()
	wg.Wait()
	require.NoError(t, (<-first).err)
	require.NoError(t, (<-second).err)
	require.LessOrEqual(t, entries(t, "/proc/self/task"), before+16)
}

// mappings counts those of shared memory, which is what segments are.
func mappings(t testing.TB) int {
	b, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return bytes.Count(b, []byte("/memfd:")) + bytes.Count(b, []byte("kindred"))
}

func TestPoolsLeakNothing(t *testing.T) {
	ctx := testContext(t)
	use := func(i int) {
		p, err := pool.New(ctx, pool.Workers(1))
		require.NoError(t, err)
		defer shutDown(t, p)
		require.NotZero(t, mappings(t))
		switch i % 4 {
		case 0:
			_, err = double.Call(ctx, p, i)
			require.NoError(t, err)
		case 1:
			_, err = ending.Call(ctx, p, "status 3")
			require.Error(t, err)
		case 2:
			kill(t, pids(p)[0], syscall.SIGKILL)
			requireWorks(t, p)
		case 3:
			go p.Terminate()
		}
	}
	for i := range 4 {
		use(i) // what the runtime makes once and keeps
	}
	descriptors := entries(t, "/proc/self/fd")
	goroutines := goleak.IgnoreCurrent()
	for i := range 50 {
		use(i)
	}
	// The watch of a process that died closes its descriptor on its own time.
	eventually(t, func() bool { return entries(t, "/proc/self/fd") <= descriptors })
	goleak.VerifyNone(t, goroutines)
	requireNoChildren(t)
	// Address space goes back when the collector has found that nothing points to it.
	eventually(t, func() bool {
		runtime.GC()
		return mappings(t) < 20
	})
}
