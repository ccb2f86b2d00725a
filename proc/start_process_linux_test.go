package proc_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

// forgetParent takes back the parent-death signal.
func forgetParent() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) }

// loseControl replaces the control socket by one whose other end stays open, so that the end of the
// parent does not show.
func loseControl() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return unix.Dup3(fds[0], 3, 0)
}

func TestUnencodableArgumentsStartNothing(t *testing.T) {
	before := forks(t)
	p, err := withChannel.Start(testContext(t), make(chan int))
	require.Nil(t, p)
	require.ErrorIs(t, err, proc.ErrUnencodable)
	require.Regexp(t, `^proc: start "withChannel-\d+": arguments: `, err.Error())
	require.ErrorContains(t, err, "chan int")
	require.Equal(t, before, forks(t))
}

// forks counts the children that this process has, dead or alive.
func forks(t *testing.T) int {
	children, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/children")
	require.NoError(t, err)
	return len(strings.Fields(string(children)))
}

// A child whose environment leads a program that it starts to believe that it is the child: the
// cookie has been taken out.
func TestGrandchildWithItsParentsVariable(t *testing.T) {
	ctx := testContext(t)
	var out strings.Builder
	p, err := passOn.Start(ctx, struct{}{}, proc.Stdout(&out), mode("program"))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, "name \"\", child: <nil>\n", out.String())
}

var passOn = proc.Func("passOn", func(context.Context, struct{}) error {
	environ, err := os.ReadFile("/proc/self/environ") // as it was at the start
	if err != nil {
		return err
	}
	var original string
	for _, v := range strings.Split(string(environ), "\x00") {
		if strings.HasPrefix(v, "KINDRED_CHILD=") {
			original = v
		}
	}
	if original == "" {
		return fmt.Errorf("no variable in %q", environ)
	}
	control := os.NewFile(3, "control socket")
	cmd := exec.Command("/proc/self/exe")
	cmd.ExtraFiles = []*os.File{control}
	cmd.Env = append(os.Environ(), original)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
})

func TestRunningProgramMayBeRemoved(t *testing.T) {
	content, err := os.ReadFile(self(t))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, content, 0o700))
	cmd := exec.CommandContext(testContext(t), path)
	cmd.Env = append(os.Environ(), modeVariable+"=remove")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "name \"\", child: <nil>\n", string(out))
}
