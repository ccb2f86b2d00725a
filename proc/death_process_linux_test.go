package proc_test

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

// family starts a parent with children that hold the write end of a pipe, and returns the parent,
// and the read end: it ends when all of them are dead.
func family(t *testing.T, args parentArgs) (*proc.Process, *bufio.Reader) {
	r, w := pipe(t)
	p, err := parentOf.Start(testContext(t), args, proc.Files(w))
	require.NoError(t, err)
	w.Close()
	return p, bufio.NewReader(r)
}

func pidLine(t *testing.T, r *bufio.Reader) int {
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	return pid
}

// awaitDeath returns when the process of a pidfd has ended, and fails after a generous time.
func awaitDeath(t *testing.T, pidfd int) {
	polled := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := 0, error(unix.EINTR)
	for err == unix.EINTR {
		n, err = unix.Poll(polled, 60_000)
	}
	require.NoError(t, err)
	require.Equal(t, 1, n, "the process still lives")
}

// awaitState returns when the process is in the state, a letter of proc(5).
func awaitState(t *testing.T, pid int, state string) {
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		require.NoError(t, err)
		_, rest, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(rest, state)
	}, wait, tick)
}

func TestChildDiesWithItsParent(t *testing.T) {
	for name, c := range map[string]struct {
		child blockArgs
		kill  func(*proc.Process) error
	}{
		"parent killed":                      {blockArgs{}, (*proc.Process).Kill},
		"parent terminated":                  {blockArgs{}, (*proc.Process).Terminate},
		"child stopped":                      {blockArgs{Stop: true}, (*proc.Process).Kill},
		"no socket: the parent-death signal": {blockArgs{LoseControl: true}, (*proc.Process).Kill},
		"no socket, child stopped":           {blockArgs{LoseControl: true, IgnoreSignals: true, Stop: true}, (*proc.Process).Kill},
		"child ignores signals":              {blockArgs{IgnoreSignals: true}, (*proc.Process).Kill},
		"no parent-death signal: the socket": {blockArgs{ForgetParent: true}, (*proc.Process).Kill},
		"no parent-death signal, terminated": {blockArgs{ForgetParent: true}, (*proc.Process).Terminate},
	} {
		t.Run(name, func(t *testing.T) {
			p, r := family(t, parentArgs{Count: 1, Child: c.child})
			child := pidLine(t, r)
			pidfd, err := unix.PidfdOpen(child, 0)
			require.NoError(t, err)
			defer unix.Close(pidfd)
			if c.child.Stop {
				awaitState(t, child, "T")
			}
			require.NoError(t, c.kill(p))
			awaitDeath(t, pidfd)
			_, err = r.ReadByte()
			require.ErrorIs(t, err, io.EOF)
			<-p.Done()
		})
	}
}

func TestParentKilledWhileItStartsChildren(t *testing.T) {
	for started := range 8 {
		p, r := family(t, parentArgs{})
		for range started {
			pidLine(t, r)
		}
		require.NoError(t, p.Kill())
		_, err := io.Copy(io.Discard, r) // of those that became ready meanwhile
		require.NoError(t, err, "some child lives on")
		require.Equal(t, syscall.SIGKILL, exitError(t, p.Wait(testContext(t))).Signal)
	}
}

func TestWholeTreeIsKilled(t *testing.T) {
	p, r := family(t, parentArgs{Count: 5})
	for range 5 {
		pidLine(t, r)
	}
	require.NoError(t, p.Close())
	_, err := r.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

// Threads of the parent that end take no children with them, as they would if any thread might
// start one.
func TestChildOutlivesTheThreadOfItsStart(t *testing.T) {
	ctx := testContext(t)
	type started struct {
		p   *proc.Process
		err error
	}
	c := make(chan started)
	go startOnEndingThread(func() {
		p, err := block.Start(ctx, blockArgs{})
		c <- started{p, err}
	})
	s := <-c
	require.NoError(t, s.err)
	defer s.p.Close()
	threadEnded(t)
	// Had the thread's end killed it, it could not die of this.
	require.NoError(t, s.p.Terminate())
	require.Equal(t, syscall.SIGTERM, exitError(t, s.p.Wait(ctx)).Signal)
}
