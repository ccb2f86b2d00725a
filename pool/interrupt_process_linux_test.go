package pool_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The terminal's Ctrl-C goes to the group of the program, in which its workers are not: the program decides. When it has
// given itself back to the system's way, a second one ends it, and the workers with it.
func TestInterruptFromTheTerminalIsForTheParentToDecide(t *testing.T) {
	for _, twice := range []bool{false, true} {
		mode := "program that is interrupted"
		if twice {
			mode = "program that is interrupted, and hangs"
		}
		cmd, said, workers := launchGroup(t, mode)
		require.Equal(t, "ready", <-said)
		require.NoError(t, unix.Kill(-cmd.Process.Pid, unix.SIGINT))
		require.Equal(t, "interrupted: the call was ended by its context, the worker lives", <-said)
		if !twice {
			require.NoError(t, cmd.Wait())
			requireEnd(t, workers)
			continue
		}
		require.NoError(t, unix.Kill(-cmd.Process.Pid, unix.SIGINT))
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
		require.Equal(t, syscall.SIGINT, exit.Sys().(syscall.WaitStatus).Signal())
		requireEnd(t, workers)
	}
}

// launchGroup starts a program in a process group of its own, as a shell does, and passes on the lines that it writes after the first.
func launchGroup(t *testing.T, mode string) (cmd *exec.Cmd, said <-chan string, workers [2]int) {
	path, err := os.Executable()
	require.NoError(t, err)
	cmd = exec.CommandContext(testContext(t), path)
	cmd.Env = append(os.Environ(), modeVariable+"="+mode)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, said, workers = follow(t, cmd)
	return cmd, said, workers
}
