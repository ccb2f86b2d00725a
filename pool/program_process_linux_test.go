package pool_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// launch starts a program with a pool of two workers, and gives back what tells of the workers' ends.
func launch(t *testing.T, mode string) (cmd *exec.Cmd, leave func(), workers [2]int) {
	path, err := os.Executable()
	require.NoError(t, err)
	cmd = exec.CommandContext(testContext(t), path)
	cmd.Env = append(os.Environ(), modeVariable+"="+mode)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pids [2]int
	_, err = fmt.Fscan(stdout, &pids[0], &pids[1])
	require.NoError(t, err)
	for i, pid := range pids {
		workers[i], err = unix.PidfdOpen(pid, 0)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close(workers[i]) })
	}
	return cmd, func() { stdin.Close() }, workers
}

func requireEnd(t *testing.T, pidfds [2]int) {
	for _, fd := range pidfds {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, int(wait/time.Millisecond))
		for err == unix.EINTR {
			n, err = unix.Poll(polled, int(wait/time.Millisecond))
		}
		require.NoError(t, err)
		require.Equal(t, 1, n, "a worker lives on")
	}
}

func TestProgramThatEndsWithoutCloseLeavesNoWorker(t *testing.T) {
	for _, mode := range []string{"program", "program with busy workers"} {
		cmd, leave, workers := launch(t, mode)
		leave()
		require.NoError(t, cmd.Wait())
		requireEnd(t, workers)
	}
}

func TestProgramThatIsKilledLeavesNoWorker(t *testing.T) {
	for _, mode := range []string{"program", "program with busy workers"} {
		cmd, _, workers := launch(t, mode)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		requireEnd(t, workers)
	}
}
