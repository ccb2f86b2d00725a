//go:build linux || darwin

package liveness

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/word"
)

// TryLock takes n bytes at off of f for f's open file description, or reports false if another
// description holds one of them. It does not block. The lock lasts until Unlock, or until the last
// descriptor of this open file description is closed and (on Linux) its last mapping is gone, as the
// death of the process does.
func TryLock(f *os.File, off, n int64) (bool, error) {
	if word.Modelled {
		if m := word.Current(); m != nil {
			return m.TryLock(off, n), nil
		}
	}
	return tryLock(f, unix.F_WRLCK, off, n)
}

func tryLock(f *os.File, kind int16, off, n int64) (bool, error) {
	lk := region(kind, off, n)
	err := control(f, ofdSetLock, &lk)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

// Unlock gives back n bytes at off.
func Unlock(f *os.File, off, n int64) error {
	if word.Modelled {
		if m := word.Current(); m != nil {
			m.Unlock(off, n)
			return nil
		}
	}
	lk := region(unix.F_UNLCK, off, n)
	return control(f, ofdSetLock, &lk)
}

// Held reports whether an open file description other than f's holds the byte at off. It changes
// nothing, so that it never refuses an attach by accident.
func Held(f *os.File, off int64) (bool, error) { return HeldAny(f, off, 1) }

// HeldAny is Held for n bytes: whether any of them is held.
func HeldAny(f *os.File, off, n int64) (bool, error) {
	if word.Modelled {
		if m := word.Current(); m != nil {
			return m.Held(off, n), nil
		}
	}
	lk := region(unix.F_WRLCK, off, n)
	if err := control(f, ofdGetLock, &lk); err != nil {
		return false, err
	}
	return lk.Type != unix.F_UNLCK, nil
}

func region(kind int16, off, n int64) unix.Flock_t {
	return unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: off, Len: n}
}

func control(f *os.File, cmd int, lk *unix.Flock_t) error {
	return withFd(f, func(fd uintptr) error { return unix.FcntlFlock(fd, cmd, lk) })
}

// withFd calls do with f's descriptor, which stays open meanwhile.
func withFd(f *os.File, do func(fd uintptr) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = do(fd) }); err != nil {
		return err
	}
	return result
}
