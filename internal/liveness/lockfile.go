//go:build linux || darwin

package liveness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A lock file stands in for a file that cannot be opened again: the bytes that the users of the one
// would lock are locked in the other. It must be the same for all of them, so nobody may remove it
// and somebody make it anew while it is in use. Its first byte sees to that:
//
//	byte 0           who                        when
//	locked, shared   each user                  from opening it to closing it
//	locked alone     who removes it             while it is removed; refused while others use it
//
// A user takes the byte first and then looks whether the file still has its name; if not, it was
// removed in between, and is opened anew.
const guard = 0

// ErrLockFile says that a lock file is missing although it is in use.
var ErrLockFile = errors.New("lock file is missing")

// OpenLockFile opens the lock file at path. If there is none, it is made if unused says that nobody
// can be using one that has lost its name; otherwise the error is ErrLockFile. Locks are taken
// beyond byte 0. It is given back with CloseLockFile.
func OpenLockFile(path string, unused func() bool) (*os.File, error) {
	const tries = 1000
	for range tries {
		f, err := openLockFile(path, unused)
		if err != nil {
			return nil, err
		}
		ok, err := tryLock(f, unix.F_RDLCK, guard, 1)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if ok && isAt(f, path) {
			return f, nil
		}
		f.Close()
		if !ok {
			time.Sleep(time.Millisecond) // it is being removed
		}
	}
	return nil, fmt.Errorf("%s is being removed by a process that does not go on: %w", path, ErrLockFile)
}

func openLockFile(path string, unused func() bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if !unused() {
		return nil, fmt.Errorf("%s: %w", path, ErrLockFile)
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}

// CloseLockFile closes a lock file, which frees every lock taken on it, and removes it if nobody
// else uses it. One whose last user was killed stays, and is removed by the next.
func CloseLockFile(f *os.File, path string) error {
	// Each gives up its share before it tries, so of several that close at a time the last to try finds
	// no share, and either gets the byte or meets somebody who is removing the file.
	_ = Unlock(f, guard, 1)
	if ok, err := TryLock(f, guard, 1); err == nil && ok && isAt(f, path) {
		_ = os.Remove(path)
	}
	return f.Close()
}

// isAt reports whether path leads to f's file.
func isAt(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}
