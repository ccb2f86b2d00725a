//go:build linux

package shm_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
)

const keeperDir = "KINDRED_TEST_KEEPER_DIR"

// TestKeeper is no test by itself: it is the process that TestCollect... start, which makes a segment
// and stays attached until its standard input ends.
func TestKeeper(t *testing.T) {
	dir := os.Getenv(keeperDir)
	if dir == "" {
		return
	}
	seg, err := shm.Create(os.Getenv("KINDRED_TEST_KEEPER_NAME"), 1, shm.Dir(dir))
	require.NoError(t, err)
	fmt.Println("attached")
	_, _ = io.Copy(io.Discard, os.Stdin)
	require.NoError(t, seg.Close())
}

// keeper starts a process that is attached to the segment of that name.
func keeper(t *testing.T, dir, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKeeper$")
	cmd.Env = append(os.Environ(), keeperDir+"="+dir, "KINDRED_TEST_KEEPER_NAME="+name)
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "attached\n", line)
	return cmd
}

func TestCollectTakesWhatTheKilledLeftAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	killed, alive, stopped := keeper(t, dir, "killed"), keeper(t, dir, "alive"), keeper(t, dir, "stopped")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kindred.text"), []byte("no segment"), 0o600))

	require.NoError(t, proctest.Stop(stopped.Process.Pid))
	names, err := shm.Collect(shm.Dir(dir))
	require.NoError(t, err)
	require.Empty(t, names)

	require.NoError(t, killed.Process.Kill())
	require.Error(t, killed.Wait())
	names, err = shm.Collect(shm.Dir(dir))
	require.NoError(t, err)
	require.Equal(t, []string{"killed"}, names)
	_, err = shm.Open("killed", shm.Dir(dir))
	require.ErrorIs(t, err, shm.ErrNotExist)
	for _, name := range []string{"alive", "stopped"} {
		seg, err := shm.Open(name, shm.Dir(dir))
		require.NoError(t, err)
		require.NoError(t, seg.Close())
	}

	// A stopped process dies by SIGKILL like any other.
	require.NoError(t, stopped.Process.Kill())
	require.Error(t, stopped.Wait())
	require.NoError(t, alive.Process.Kill())
	require.Error(t, alive.Wait())
	names, err = shm.Collect(shm.Dir(dir))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"alive", "stopped"}, names)
	require.FileExists(t, filepath.Join(dir, "kindred.text"))
}

func TestCollectSaysThatTheDirectoryIsMissing(t *testing.T) {
	_, err := shm.Collect(shm.Dir(filepath.Join(t.TempDir(), "missing")))
	require.ErrorIs(t, err, os.ErrNotExist)
}
