//go:build linux || darwin

package liveness

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// watched starts a watch whose channel is closed by the death.
func watched(t *testing.T, pid int) (*Watch, chan struct{}) {
	t.Helper()
	dead := make(chan struct{})
	w, err := NewWatch(pid, func() { close(dead) })
	require.NoError(t, err)
	t.Cleanup(func() {
		w.Stop()
		<-w.Done()
	})
	return w, dead
}

func requireDeath(t *testing.T, dead <-chan struct{}) {
	t.Helper()
	select {
	case <-dead:
	case <-time.After(patience):
		require.Fail(t, "the death was not noticed")
	}
}

func requireNoDeath(t *testing.T, dead <-chan struct{}) {
	t.Helper()
	select {
	case <-dead:
		require.Fail(t, "a death that was none")
	default:
	}
}

func TestAKilledProcessIsProvenDeadByBothProofs(t *testing.T) {
	f := sharedFile(t)
	probe := reopened(t, f)
	c := startChild(t, "hold", f)
	_, dead := watched(t, c.pid())
	requireHeld(t, true, probe, heldByte)
	requireNoDeath(t, dead)

	c.signal(unix.SIGKILL)
	requireDeath(t, dead)
	requireHeld(t, false, probe, heldByte) // the lock goes before the watch fires
	requireTry(t, true, probe, heldByte, 1)

	// Nobody has asked for its status yet, so its number still stands for it.
	require.NoError(t, unix.Kill(c.pid(), 0))
}

func TestAnExitIsADeath(t *testing.T) {
	f := sharedFile(t)
	probe := reopened(t, f)
	c := startChild(t, "hold", f)
	_, dead := watched(t, c.pid())
	require.NoError(t, c.in.Close())
	requireDeath(t, dead)
	requireHeld(t, false, probe, heldByte)
}

func TestAStoppedProcessIsNotDead(t *testing.T) {
	f := sharedFile(t)
	probe := reopened(t, f)
	c := startChild(t, "hold", f)
	_, dead := watched(t, c.pid())
	c.stop()
	for range 1000 {
		requireHeld(t, true, probe, heldByte)
		requireNoDeath(t, dead)
	}
	// A watch that begins while it is stopped is silent as well.
	_, late := watched(t, c.pid())
	c.signal(unix.SIGCONT)
	requireHeld(t, true, probe, heldByte)
	requireNoDeath(t, dead)
	requireNoDeath(t, late)

	c.stop()
	c.signal(unix.SIGKILL) // also ends one that is stopped
	requireDeath(t, dead)
	requireDeath(t, late)
	requireHeld(t, false, probe, heldByte)
}

func TestAnExecFreesTheLockAndIsNoDeath(t *testing.T) {
	f := sharedFile(t)
	probe := reopened(t, f)
	// It says that it is ready when it has become the other program.
	c := startChild(t, "exec", f)
	_, dead := watched(t, c.pid())
	requireHeld(t, false, probe, heldByte)
	requireNoDeath(t, dead)
	c.signal(unix.SIGKILL)
	requireDeath(t, dead)
}

func TestAnInheritedDescriptionHoldsTheLockBeyondTheDeath(t *testing.T) {
	f := sharedFile(t)
	probe := reopened(t, f)
	c := startChild(t, "share", f) // ready is its child
	_, dead := watched(t, c.pid())
	c.signal(unix.SIGKILL)
	requireDeath(t, dead)
	requireHeld(t, true, probe, heldByte)
	// The grandchild ends with its input, and the lock with it.
	require.NoError(t, c.in.Close())
	require.Eventually(t, func() bool {
		held, err := Held(probe, heldByte)
		return err == nil && !held
	}, patience, time.Millisecond)
}

func TestTheDeadCannotBeWatched(t *testing.T) {
	c := startChild(t, "idle", nil)
	c.signal(unix.SIGKILL)
	_ = c.cmd.Wait()
	_, err := NewWatch(c.pid(), func() { t.Error("called") })
	require.ErrorIs(t, err, unix.ESRCH)
}

func TestAStoppedWatchIsSilentAndLeavesNothing(t *testing.T) {
	c := startChild(t, "idle", nil)
	cycle := func(n int) {
		var called atomic.Bool
		watches := make([]*Watch, n)
		for i := range watches {
			w, err := NewWatch(c.pid(), func() { called.Store(true) })
			require.NoError(t, err)
			watches[i] = w
		}
		for _, w := range watches {
			w.Stop()
			w.Stop() // may be called again
			<-w.Done()
			w.Stop()
		}
		require.False(t, called.Load())
	}
	cycle(1) // the poller's own descriptors
	before := openDescriptors(t)
	cycle(50)
	require.Equal(t, before, openDescriptors(t))
}

func TestAWatchThatFiredLeavesNothing(t *testing.T) {
	c := startChild(t, "idle", nil)
	first, _ := watched(t, c.pid())
	first.Stop()
	<-first.Done()
	before := openDescriptors(t)
	var watches []*Watch
	var deaths []chan struct{}
	for range 20 {
		w, dead := watched(t, c.pid())
		watches, deaths = append(watches, w), append(deaths, dead)
	}
	c.signal(unix.SIGKILL)
	for i := range watches {
		requireDeath(t, deaths[i])
		<-watches[i].Done()
	}
	// The pipe to the child is gone as well if its reader has seen the end; nothing has come on top.
	require.LessOrEqual(t, openDescriptors(t), before)
}

func TestAWatchMayBeStoppedByWhatItCalls(t *testing.T) {
	c := startChild(t, "idle", nil)
	begin, dead := make(chan struct{}), make(chan struct{})
	var w *Watch
	w, err := NewWatch(c.pid(), func() {
		<-begin
		w.Stop()
		close(dead)
	})
	require.NoError(t, err)
	close(begin)
	c.signal(unix.SIGKILL)
	requireDeath(t, dead)
	<-w.Done()
}

func TestSelfIsWhatOthersSee(t *testing.T) {
	me := Self()
	require.EqualValues(t, os.Getpid(), me.Pid)
	require.NotZero(t, me.Start)
	require.Equal(t, me, Self())
	require.True(t, me.SameNamespace(Self()))
	require.False(t, me.SameNamespace(Identity{Pid: me.Pid}), "unknown is not the same")
	require.False(t, Identity{}.SameNamespace(Identity{}))
}
