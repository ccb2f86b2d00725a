//go:build linux || darwin

package liveness

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The test binary is its own child: childRole says what it is to do.
const childRole = "LIVENESS_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := roles[role](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// heldByte is what the children lock.
const heldByte = 1<<60 + 7

var roles = map[string]func() error{
	// hold locks the byte through a description of its own and lives until its input ends.
	"hold": func() error {
		if _, err := childLock(); err != nil {
			return err
		}
		return childReady()
	},
	// exec locks the byte and then becomes another program, which is "idle".
	"exec": func() error {
		if _, err := childLock(); err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if err := os.Setenv(childRole, "idle"); err != nil {
			return err
		}
		return unix.Exec(self, os.Args, os.Environ())
	},
	"idle": childReady,
	// share locks the byte and has a child of its own, which inherits the description, as one does
	// between fork and exec.
	"share": func() error {
		own, err := childLock()
		if err != nil {
			return err
		}
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childRole+"=idle")
		c.Stdin, c.Stdout = os.Stdin, os.Stdout
		c.ExtraFiles = []*os.File{own}
		if err := c.Start(); err != nil {
			return err
		}
		return c.Wait()
	},
	// user opens the lock file that its argument names and lives until its input ends.
	"user": func() error {
		if _, err := OpenLockFile(os.Args[1], func() bool { return true }); err != nil {
			return err
		}
		return childReady()
	},
}

// childLock locks the byte of the file at descriptor 3.
func childLock() (*os.File, error) {
	own, err := Reopen(os.NewFile(3, "inherited"))
	if err != nil {
		return nil, err
	}
	ok, err := TryLock(own, heldByte, 1)
	if err == nil && !ok {
		err = fmt.Errorf("the byte is taken")
	}
	return own, err
}

// childReady tells the parent, and returns when the parent closes the pipe.
func childReady() error {
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// child is a process of this test binary. Its parent reaps it at the end of the test and not
// before, unless the test does.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
}

// startChild returns when the child is ready. f is its descriptor 3.
func startChild(t *testing.T, role string, f *os.File, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), childRole+"="+role)
	c.cmd.Stderr = os.Stderr
	if f != nil {
		c.cmd.ExtraFiles = []*os.File{f}
	}
	var err error
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "child: %s", line)
	require.Equal(t, "ready", strings.TrimSpace(line))
	return c
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Signal(s))
}

// stop stops the child and returns when all of it stands still.
func (c *child) stop() {
	c.t.Helper()
	c.signal(unix.SIGSTOP)
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(c.pid(), &status, unix.WUNTRACED, nil)
		if err == unix.EINTR {
			continue
		}
		require.NoError(c.t, err)
		require.True(c.t, status.Stopped())
		return
	}
}

// openDescriptors counts this process's.
func openDescriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/dev/fd")
	require.NoError(t, err)
	return len(list)
}
