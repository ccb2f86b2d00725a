//go:build linux || darwin

package proc_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

// mode makes a child do something before it calls Main.
func mode(m string) proc.Option { return proc.Env(modeVariable + "=" + m) }

func TestStartBeforeMainIsRefused(t *testing.T) {
	// In a program of its own,
	cmd := exec.CommandContext(testContext(t), self(t), "-test.run=^$")
	cmd.Env = append(os.Environ(), modeVariable+"=start")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.True(t, strings.HasPrefix(string(out), "true true proc: start \"inspect-1\": proc.Main has not been called"), string(out))

	// and in a child on its way to Main: no fork bomb.
	ctx := testContext(t)
	var stdout strings.Builder
	p, err := fail.Start(ctx, "", mode("start"), proc.Stdout(&stdout))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Contains(t, stdout.String(), "true true proc: start \"inspect-1\": proc.Main has not been called")
}

func TestFunctionThatIsNotRegisteredInTheChild(t *testing.T) {
	p, err := onlyInParent.Start(testContext(t), 1, proc.Env(registryVariable+"=other"))
	require.Nil(t, p)
	require.ErrorIs(t, err, proc.ErrNotRegistered)
	executable, _ := os.Executable()
	for _, part := range []string{`start "onlyInParent-`, `"onlyInParent" (` + executable, ` has "block", `, `"divide", "fail"`, "before Main"} {
		require.ErrorContains(t, err, part)
	}
}

func TestArgumentsThatTheChildCannotDecode(t *testing.T) {
	p, err := twoFaced.Start(testContext(t), "text", proc.Env(registryVariable+"=other"))
	require.Nil(t, p)
	require.ErrorIs(t, err, proc.ErrUndecodable)
	require.ErrorContains(t, err, "main_test.go")
}

func TestChildThatEndsDuringStart(t *testing.T) {
	ctx := testContext(t)
	_, err := fail.Start(ctx, "", mode("exit 7"))
	require.Equal(t, 7, exitError(t, err).Code)
	require.ErrorContains(t, err, "before it was ready")

	_, err = fail.Start(ctx, "", mode("exit 0"))
	require.Equal(t, 0, exitError(t, err).Code)
	require.ErrorContains(t, err, "exit status 0")

	_, err = fail.Start(ctx, "", mode("kill"))
	require.Equal(t, syscall.SIGKILL, exitError(t, err).Signal)
}

func TestChildThatIsNoChildOfOurs(t *testing.T) {
	ctx := testContext(t)
	_, err := fail.Start(ctx, "", mode("let go of the socket"))
	require.Equal(t, syscall.SIGKILL, exitError(t, err).Signal, "it does not stay")

	_, err = fail.Start(ctx, "", mode("garbage"))
	require.ErrorIs(t, err, proc.ErrProtocol)

	_, err = fail.Start(ctx, "", mode("another version"))
	require.ErrorIs(t, err, proc.ErrProtocol)
	require.ErrorContains(t, err, "speaks version 2, the child 1")
}

func TestExecutableMayBeAnotherProgram(t *testing.T) {
	got := observe(t, inspectArgs{Text: "x"}, proc.Executable(self(t)))
	require.Equal(t, []string{self(t)}, got.OSArgs)
	require.Equal(t, "x", got.Args.Text)

	// One that becomes the child only in the end.
	wrapper := filepath.Join(t.TempDir(), "wrapper")
	script := "#!/bin/sh\nGREETING=wrapped exec '" + self(t) + "' with arguments\n"
	require.NoError(t, os.WriteFile(wrapper, []byte(script), 0o700))
	got = observe(t, inspectArgs{Text: "y"}, proc.Executable(wrapper))
	require.Equal(t, "y", got.Args.Text)
	require.Equal(t, "wrapped", got.Greeting)
}

// lineWriter passes on the first line written to it.
type lineWriter struct {
	once sync.Once
	line chan string
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.once.Do(func() { w.line <- strings.TrimSpace(string(b)) })
	return len(b), nil
}

func TestContextEndsTheStart(t *testing.T) {
	done, cancelled := context.WithCancel(context.Background())
	cancelled()
	_, err := fail.Start(done, "")
	require.ErrorIs(t, err, context.Canceled)

	ctx, cancel := context.WithCancel(testContext(t))
	hanging := &lineWriter{line: make(chan string, 1)}
	go func() {
		hanging.line <- <-hanging.line
		cancel()
	}()
	_, err = fail.Start(ctx, "", mode("hang"), proc.Stdout(hanging))
	require.ErrorIs(t, err, context.Canceled)
	pid, err := strconv.Atoi(<-hanging.line)
	require.NoError(t, err)
	require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH, "killed and reaped")
}

func TestContextHasNoBearingAfterTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(testContext(t))
	p, err := block.Start(ctx, blockArgs{})
	require.NoError(t, err)
	cancel()
	require.NoError(t, p.Signal(syscall.Signal(0)))
	require.NoError(t, p.Terminate())
	require.Equal(t, syscall.SIGTERM, exitError(t, p.Wait(testContext(t))).Signal)
}

// A process that is started with another's variable is nobody's child.
func TestStaleVariableIsNotBelieved(t *testing.T) {
	const stale = "KINDRED_CHILD=v1:3:00112233445566778899aabbccddeeff"
	socket, peer, file := socketPairFiles(t)
	_, err := peer.Write([]byte("twenty-one bytes waiting here, and some more"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		variable string
		file     *os.File
	}{
		"no descriptor":       {stale, nil},
		"a file":              {stale, tempFile(t, "abc")},
		"a socket of another": {stale, file},
		"malformed":           {"KINDRED_CHILD=v1:3", nil},
		"empty":               {"KINDRED_CHILD=", nil},
		"standard stream":     {"KINDRED_CHILD=v1:0:00112233445566778899aabbccddeeff", nil},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(testContext(t), self(t))
			cmd.Env = append(os.Environ(), modeVariable+"=program", c.variable)
			if c.file != nil {
				cmd.ExtraFiles = []*os.File{c.file}
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, "name \"\", child: <nil>\n", string(out))
		})
	}
	// Nothing was taken from the socket that is somebody else's.
	b := make([]byte, 100)
	n, err := socket.Read(b)
	require.NoError(t, err)
	require.Equal(t, "twenty-one bytes waiting here, and some more", string(b[:n]))
}

// socketPairFiles returns both ends of a pair, and a duplicate of the first as a file.
func socketPairFiles(t *testing.T) (a, b net.Conn, file *os.File) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	file = os.NewFile(uintptr(fds[0]), "socket")
	other := os.NewFile(uintptr(fds[1]), "socket")
	defer other.Close()
	a, err = net.FileConn(file)
	require.NoError(t, err)
	b, err = net.FileConn(other)
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(); b.Close(); file.Close() })
	return a, b, file
}
