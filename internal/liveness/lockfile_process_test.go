//go:build linux || darwin

package liveness

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func yes() bool { return true }

func no() bool { return false }

func TestALockFileGoesWithItsLastUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, err := OpenLockFile(path, yes)
	require.NoError(t, err)
	b, err := OpenLockFile(path, no)
	require.NoError(t, err)
	requireTry(t, true, a, heldByte, 1)
	requireHeld(t, true, b, heldByte)
	require.NoError(t, CloseLockFile(a, path))
	requireHeld(t, false, b, heldByte)
	require.FileExists(t, path)
	require.NoError(t, CloseLockFile(b, path))
	require.NoFileExists(t, path)
}

func TestALockFileThatIsMissingWhileInUseIsNotMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, err := OpenLockFile(path, yes)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	_, err = OpenLockFile(path, no)
	require.ErrorIs(t, err, ErrLockFile)
	require.NoFileExists(t, path)

	// The old one's last user does not remove the new one's name.
	b, err := OpenLockFile(path, yes)
	require.NoError(t, err)
	require.NoError(t, CloseLockFile(a, path))
	require.FileExists(t, path)
	require.NoError(t, CloseLockFile(b, path))
}

func TestALockFileIsNoSymbolicLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "target"), nil, 0o600))
	require.NoError(t, os.Symlink("target", path))
	_, err := OpenLockFile(path, yes)
	require.ErrorIs(t, err, unix.ELOOP)
}

func TestAKilledUserLeavesALockFileThatTheNextOneRemoves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	c := startChild(t, "user", nil, path)
	a, err := OpenLockFile(path, no)
	require.NoError(t, err)
	require.NoError(t, CloseLockFile(a, path))
	require.FileExists(t, path, "the child uses it")

	_, dead := watched(t, c.pid())
	c.signal(unix.SIGKILL)
	requireDeath(t, dead)
	require.FileExists(t, path)
	a, err = OpenLockFile(path, no)
	require.NoError(t, err)
	require.NoError(t, CloseLockFile(a, path))
	require.NoFileExists(t, path)
}

// Users come and go; all that are there at one time must have the same file, or each would take the
// others for dead. Each locks the same byte, so two files show as two holders.
func TestUsersOfALockFileNeverHaveTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	const users, rounds = 4, 500
	var mu sync.Mutex
	holders := 0
	count := func(d int) int {
		mu.Lock()
		defer mu.Unlock()
		holders += d
		return holders
	}
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for range rounds {
				f, err := OpenLockFile(path, yes)
				if err != nil {
					t.Error(err)
					return
				}
				ok, err := TryLock(f, heldByte, 1)
				if err != nil {
					t.Error(err)
				}
				if ok {
					if count(1) != 1 {
						t.Error("two hold the byte")
					}
					count(-1)
				}
				if err := CloseLockFile(f, path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoFileExists(t, path)
}
