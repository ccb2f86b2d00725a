package pool_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/cpus"
	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

func TestImpossibleNumbersOfWorkersAreRefused(t *testing.T) {
	for _, n := range []int{0, -1, 4097, 5000} {
		p, err := pool.New(testContext(t), pool.Workers(n))
		require.ErrorIs(t, err, pool.ErrWorkers)
		require.Nil(t, p)
	}
}

func TestThereAreAsManyWorkersAsCPUs(t *testing.T) {
	p, err := pool.New(testContext(t))
	require.NoError(t, err)
	defer shutDown(t, p)
	require.Len(t, pids(p), cpus.Allowed())
}

func TestNewBeforeMainIsRefused(t *testing.T) {
	path, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(testContext(t), path)
	cmd.Env = append(os.Environ(), modeVariable+"=no main")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), proc.ErrNoMain.Error())
}

// requireNoChildren demands that this process has none, and no zombies.
func requireNoChildren(t testing.TB) {
	t.Helper()
	_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
	require.ErrorIs(t, err, unix.ECHILD)
}

func TestNewFailsIfTheWorkersProgramCannotBeStarted(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	_, err := pool.New(testContext(t), pool.Workers(3), pool.Process(proc.Executable(missing)))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "pool: start 3 workers: worker ")
	require.ErrorContains(t, err, missing)
	requireNoChildren(t)
}

func TestNewFailsIfTheWorkersProgramIsNoWorker(t *testing.T) {
	path, err := exec.LookPath("false")
	require.NoError(t, err)
	_, err = pool.New(testContext(t), pool.Workers(3), pool.Process(proc.Executable(path)))
	var exit *proc.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.Code)
	requireNoChildren(t)
}

func TestNewThatFailsLeavesNoneOfItsWorkers(t *testing.T) {
	_, err := pool.New(testContext(t), pool.Workers(4), mode("only the first two", t.TempDir()))
	var exit *proc.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 7, exit.Code)
	requireNoChildren(t)
}

func TestNewEndsWithItsContext(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := pool.New(over, pool.Workers(2))
	require.ErrorIs(t, err, context.Canceled)

	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "number 3")); return err == nil })
		cancel()
	}()
	_, err = pool.New(ctx, pool.Workers(3), mode("only the first two, others hang", dir))
	require.ErrorIs(t, err, context.Canceled)
	requireNoChildren(t)
}

func TestPoolWhoseWorkersCannotBeReplacedIsBroken(t *testing.T) {
	p := newPool(t, 2, mode("only the first two", t.TempDir()))
	for _, victim := range pids(p) {
		kill(t, victim, syscall.SIGKILL)
	}
	// It may wait for a worker first, or come too late.
	_, err := double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
	var exit *proc.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 7, exit.Code)
	_, err = double.Call(testContext(t), p, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
	shutDown(t, p)
	requireNoChildren(t)
}

func TestPoolGoesOnWithTheWorkersThatAreLeft(t *testing.T) {
	dir := t.TempDir()
	p := newPool(t, 2, mode("only the first two", dir))
	requireWorks(t, p) // so none of the two was in vain
	all := pids(p)
	kill(t, all[0], syscall.SIGKILL)
	eventually(t, func() bool { // six in vain, and that was the last
		_, err := os.Stat(filepath.Join(dir, "number 8"))
		return err == nil
	})
	taken := 0
	for _, err := range double.Map(testContext(t), p, numbers(20, &taken)) {
		require.NoError(t, err)
	}
	require.Equal(t, all[1:], pids(p))
	shutDown(t, p)
	_, err := os.Stat(filepath.Join(dir, "number 9"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	requireNoChildren(t)
}

func TestPoolWhoseWorkersDieAsSoonAsTheyAreReadyIsBroken(t *testing.T) {
	var started atomic.Int64
	p := newPool(t, 1, pool.OnEvent(func(e pool.Event) {
		if e.Kind == pool.WorkerStarted {
			started.Add(1)
			_ = syscall.Kill(e.Pid, syscall.SIGKILL)
		}
	}))
	eventually(t, func() bool {
		_, err := double.Call(testContext(t), p, 1)
		return errors.Is(err, pool.ErrBroken)
	})
	require.GreaterOrEqual(t, started.Load(), int64(6))
	shutDown(t, p)
}
