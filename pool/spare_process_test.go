package pool_test

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

func spares(p *pool.Pool, n int) func() bool { return func() bool { return p.Stats().Spare == n } }

func TestSpareTakesThePlaceOfAWorkerThatDied(t *testing.T) {
	var d diary
	p := newPool(t, 1, pool.Spares(2), d.option())
	for range 3 {
		eventually(t, spares(p, 2))
		before := pids(p)
		require.NoError(t, syscall.Kill(before[0], syscall.SIGKILL))
		eventually(t, func() bool { now := pids(p); return len(now) == 1 && now[0] != 0 && now[0] != before[0] })
		requireWorks(t, p)
	}
	require.EqualValues(t, 3, p.Stats().Restarts)
	require.Len(t, d.wait(t, pool.WorkerStarted, 4), 4)
}

// A spare that was killed while it waited is no worker's successor.
func TestSpareThatIsDeadIsPassedOver(t *testing.T) {
	p := newPool(t, 1, pool.Spares(1))
	eventually(t, spares(p, 1))
	worker := pids(p)[0]
	for _, child := range proc.Children() {
		if child.Pid() != worker {
			require.NoError(t, child.Kill())
			<-child.Done()
		}
	}
	require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
	requireWorks(t, p)
	eventually(t, spares(p, 1))
}

// What takes a place has run the initializer there, and not before.
func TestSpareRunsTheInitializerWhenItTakesItsPlace(t *testing.T) {
	dir := t.TempDir()
	count := func() int {
		all, err := os.ReadDir(dir)
		require.NoError(t, err)
		return len(all)
	}
	p := newPool(t, 1, pool.Spares(1), pool.Initializer(leaveMark, dir), pool.TasksPerWorker(1))
	eventually(t, spares(p, 1))
	require.Equal(t, 1, count())
	requireWorks(t, p)
	requireWorks(t, p)
	eventually(t, spares(p, 1))
	require.GreaterOrEqual(t, count(), 2)
	require.NoError(t, p.Shutdown(testContext(t)))
	require.Empty(t, proc.Children())
}

var leaveMark = pool.Task("leave mark", func(_ context.Context, dir string) (struct{}, error) {
	f, err := os.CreateTemp(dir, "")
	if err == nil {
		err = f.Close()
	}
	return struct{}{}, err
})

func TestPoolEndsWhileItsSparesStart(t *testing.T) {
	p := newPool(t, 1, pool.Spares(3))
	p.Terminate()
	require.NoError(t, p.Join(testContext(t)))
	require.Empty(t, proc.Children())
	_, err := pool.New(testContext(t), pool.Spares(-1))
	require.ErrorIs(t, err, pool.ErrOption)
}
