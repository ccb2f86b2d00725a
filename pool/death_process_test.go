package pool_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// ending ends its process.
var ending = pool.Task("ending", func(_ context.Context, how string) (int, error) {
	switch how {
	case "status 0":
		os.Exit(0)
	case "status 3":
		os.Exit(3)
	case "fault":
		b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return 0, err
		}
		return int(b[0]), nil
	case "SIGTERM":
		_ = unix.Kill(os.Getpid(), unix.SIGTERM)
		blockForEver()
	case "SIGKILL":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		blockForEver()
	}
	return os.Getpid(), nil
})

// leaving starts a program that holds the worker's standard error until its gate, a file, is opened, and then writes; and the
// worker writes, and is killed.
var leaving = pool.Task("leaving", func(_ context.Context, gate string) (int, error) {
	cmd := exec.Command("/bin/sh", "-c", `read line <"$0"; echo late >&2`, gate)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	fmt.Fprintln(os.Stderr, "its own")
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	blockForEver()
	return 0, nil
})

// What the program writes is passed on for a second after the worker's death: so it was told of before.
func TestDeathIsToldOfThoughADescendantHoldsTheStandardError(t *testing.T) {
	var to atomicText
	p := newPool(t, 1, pool.Process(proc.Stderr(&to)))
	gate, open := newGate(t)
	_, err := leaving.Call(testContext(t), p, gate)
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, "its own\n", died.Stderr)
	require.Equal(t, "its own\n", to.text())
	open()
	require.NoError(t, p.Shutdown(testContext(t)))
	require.Equal(t, "its own\nlate\n", to.text())
}

// oomOf is what the error may say of the out-of-memory killer, which killed nobody.
func oomOf(died *pool.WorkerDied) pool.OOM {
	if died.Signal == syscall.SIGKILL && died.OOM == pool.OOMUnknown {
		return pool.OOMUnknown // not every system counts
	}
	return pool.OOMNo
}

func TestWorkerThatEndsInATaskIsReportedWithItsStatus(t *testing.T) {
	var d diary
	p := newPool(t, 1, d.option())
	for i, want := range []pool.WorkerDied{
		{Code: 0},
		{Code: 3},
		{Code: 2}, // Go's own end after a fault that is not a nil pointer
		{Code: -1, Signal: syscall.SIGTERM},
		{Code: -1, Signal: syscall.SIGKILL},
	} {
		how := []string{"status 0", "status 3", "fault", "SIGTERM", "SIGKILL"}[i]
		before, err := pid.Call(testContext(t), p, struct{}{})
		require.NoError(t, err)
		_, err = ending.Call(testContext(t), p, how)
		var died *pool.WorkerDied
		require.ErrorAs(t, err, &died, how)
		want.Task, want.Pid, want.Attempts = "ending", before, 1
		want.OOM, want.Stderr = oomOf(died), died.Stderr
		require.Equal(t, how == "fault", died.Stderr != "")
		require.Equal(t, want, *died, how)
		require.ErrorContains(t, err, fmt.Sprintf(`pool: task "ending": worker process %d `, before))
		requireGone(t, before)

		lost := d.wait(t, pool.WorkerLost, i+1)[i]
		require.Equal(t, pool.Event{
			Kind: pool.WorkerLost, Pid: before, Code: want.Code, Signal: want.Signal,
			Task: "ending", Input: how, Attempt: 1, OOM: died.OOM,
		}, lost)
	}
	requireWorks(t, p)
}

func TestTaskFailsWhenItsWorkerIsKilled(t *testing.T) {
	p := newPool(t, 1)
	call := start(testContext(t), p, ignore, "")
	victim := running(t, p, "ignore").Pid
	kill(t, victim, syscall.SIGKILL)
	err := (<-call).err
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, pool.WorkerDied{
		Task: "ignore", Pid: victim, Code: -1, Signal: syscall.SIGKILL, Attempts: 1, OOM: oomOf(died),
	}, *died)
	require.EqualError(t, err, fmt.Sprintf(
		`pool: task "ignore": worker process %d was killed by signal 9 (killed) while it ran it (attempt 1)`, victim))
	requireWorks(t, p)
	require.NotEqual(t, []int{victim}, pids(p))
}

func TestTaskIsBegunAgainByAnotherProcessAsOftenAsAsked(t *testing.T) {
	var d diary
	p := newPool(t, 1, pool.Retry(2), d.option())
	path, open := newGate(t)
	call := start(testContext(t), p, gate, path)
	var victims []int
	for attempt := 1; attempt <= 2; attempt++ {
		w := running(t, p, "gate")
		require.Equal(t, attempt, w.Running.Attempt)
		victims = append(victims, w.Pid)
		kill(t, w.Pid, syscall.SIGKILL)
		eventually(t, func() bool { return w.Pid != p.Workers()[0].Pid })
	}
	third := running(t, p, "gate")
	open()
	got := <-call
	require.NoError(t, got.err)
	require.Equal(t, third.Pid, got.value)
	require.NotContains(t, victims, third.Pid)

	var kinds []string
	for _, e := range d.all() {
		kinds = append(kinds, fmt.Sprint(e.Kind, " ", e.Attempt))
	}
	require.Equal(t, []string{
		"worker started 0",
		"worker lost 1", "worker started 0", "task retried 2",
		"worker lost 2", "worker started 0", "task retried 3",
	}, kinds)
}

func TestTaskFailsWhenItsRetriesAreUsedUp(t *testing.T) {
	p := newPool(t, 1, pool.Retry(2))
	_, err := ending.Call(testContext(t), p, "status 3")
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	require.Equal(t, 3, died.Attempts)
	requireWorks(t, p)
}

// However many tasks in a row end their workers, the next one finds a worker.
func TestDeadlyTasksDoNotBreakThePool(t *testing.T) {
	p := newPool(t, 1)
	for range 15 {
		_, err := ending.Call(testContext(t), p, "SIGKILL")
		var died *pool.WorkerDied
		require.ErrorAs(t, err, &died)
	}
	requireWorks(t, p)
}

func TestIdleWorkerThatIsKilledIsReplaced(t *testing.T) {
	var d diary
	p := newPool(t, 2, d.option())
	before := pids(p)
	for _, victim := range before {
		kill(t, victim, syscall.SIGKILL)
	}
	for _, e := range d.wait(t, pool.WorkerLost, 2) {
		require.Contains(t, before, e.Pid)
		require.Equal(t, syscall.SIGKILL, e.Signal)
		require.Empty(t, e.Task)
		require.Nil(t, e.Input)
	}
	requireWorks(t, p)
	for _, victim := range before {
		require.NotContains(t, pids(p), victim)
	}
	requireGone(t, before...)
}

// A call that comes just when an idle worker dies goes to another one: its task was not begun. (A kill
// returns before the worker is dead, and one that polls for requests might still begin: it stands
// still before it is killed.)
func TestCallNeverSeesTheDeathOfAnIdleWorker(t *testing.T) {
	p := newPool(t, 1)
	for n := range 5 {
		_, err := pid.Call(testContext(t), p, struct{}{})
		require.NoError(t, err, "so that the worker was of use")
		victim := p.Workers()[0].Pid
		require.NoError(t, proctest.Stop(victim))
		kill(t, victim, syscall.SIGKILL)
		got, err := double.Call(testContext(t), p, n)
		require.NoError(t, err)
		require.Equal(t, 2*n, got)
		eventually(t, func() bool { return p.Workers()[0].Pid != 0 })
	}
}

func TestDeathDoesNotConcernTheNeighbours(t *testing.T) {
	p := newPool(t, 2)
	path, open := newGate(t)
	neighbour := start(testContext(t), p, gate, path)
	pid := running(t, p, "gate").Pid
	for range 3 {
		call := start(testContext(t), p, ignore, "")
		kill(t, running(t, p, "ignore").Pid, syscall.SIGKILL)
		require.Error(t, (<-call).err)
	}
	open()
	got := <-neighbour
	require.NoError(t, got.err)
	require.Equal(t, pid, got.value)
}

// The killer kills all workers at once, again and again, until the results are complete.
func TestMapIsCompleteAndInOrderHoweverManyWorkersAreKilled(t *testing.T) {
	const n, rounds = 2000, 10
	p := newPool(t, 2, pool.Retry(n))
	ctx := testContext(t)
	kills, next, taken := 0, 0, 0
	for got, err := range double.Map(ctx, p, numbers(n, &taken)) {
		require.NoError(t, err)
		require.Equal(t, 2*next, got)
		next++
		if next%(n/rounds) == n/rounds/2 {
			before := kills
			require.Eventually(t, func() bool {
				for _, pid := range pids(p) { // none while those of the last round are replaced
					// One may be dead already, and not reaped; its number is its own until then.
					if syscall.Kill(pid, syscall.SIGKILL) == nil {
						kills++
					}
				}
				return kills > before
			}, 10*time.Second, time.Millisecond)
		}
	}
	require.Equal(t, n, next)
	require.GreaterOrEqual(t, kills, rounds)
	requireWorks(t, p)
}
