package demo

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// child is a process that waits for the end of its input.
func child(t *testing.T) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), waitingChild+"=1")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close() })
	return cmd
}

func TestStoppedChildIsSeenToBeStopped(t *testing.T) {
	cmd := child(t)
	pid := cmd.Process.Pid
	yes, err := stopped(pid)
	require.NoError(t, err)
	require.False(t, yes)

	var c children
	require.NoError(t, c.stop(context.Background(), pid))
	yes, err = stopped(pid)
	require.NoError(t, err)
	require.True(t, yes)

	require.NoError(t, c.resume(pid))
	yes, err = stopped(pid)
	require.NoError(t, err)
	require.False(t, yes)

	require.NoError(t, c.stop(context.Background(), pid))
	require.NoError(t, c.kill(pid))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "the stop has taken nothing from who waits for the end")
}

func TestStopOfAProcessThatIsGone(t *testing.T) {
	cmd := child(t)
	var c children
	require.NoError(t, c.kill(cmd.Process.Pid))
	require.ErrorIs(t, c.stop(context.Background(), cmd.Process.Pid), errNotStopped, "dead, and nobody has waited for it yet")
	require.Error(t, cmd.Wait())
	require.ErrorIs(t, c.stop(context.Background(), cmd.Process.Pid), errNotStopped)
	require.NoError(t, c.resume(cmd.Process.Pid))
}

func TestStopThatIsCancelledLeavesTheProcessRunning(t *testing.T) {
	cmd := child(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := children{}.stop(ctx, cmd.Process.Pid)
	if err != nil { // it may have stopped at once
		require.ErrorIs(t, err, errNotStopped)
		yes, err := stopped(cmd.Process.Pid)
		require.NoError(t, err)
		require.False(t, yes)
	}
	require.NoError(t, children{}.kill(cmd.Process.Pid))
	require.Error(t, cmd.Wait())
}
