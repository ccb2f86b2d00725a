package pool_test

import (
	"bufio"
	"fmt"
	"io"
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
	stdin, _, workers := follow(t, cmd)
	return cmd, func() { stdin.Close() }, workers
}

// follow starts a program that says first who its two workers are, and passes on the lines that follow.
func follow(t *testing.T, cmd *exec.Cmd) (stdin io.WriteCloser, said <-chan string, workers [2]int) {
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	var pids [2]int
	_, err = fmt.Sscan(lines.Text(), &pids[0], &pids[1])
	require.NoError(t, err)
	for i, pid := range pids {
		workers[i], err = unix.PidfdOpen(pid, 0)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close(workers[i]) })
	}
	rest := make(chan string, 10)
	go func() {
		defer close(rest)
		for lines.Scan() {
			rest <- lines.Text()
		}
	}()
	return stdin, rest, workers
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
