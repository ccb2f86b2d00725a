package liveness

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Locks of an open file description.
const (
	ofdSetLock = unix.F_OFD_SETLK
	ofdGetLock = unix.F_OFD_GETLK
)

// Reopen opens f's file again, so that the new descriptor has an open file description of its own:
// locks taken on it are this process's, whoever else inherited f.
func Reopen(f *os.File) (*os.File, error) {
	var own int
	err := withFd(f, func(fd uintptr) (err error) {
		own, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open /proc/self/fd: %w", err)
	}
	return os.NewFile(uintptr(own), f.Name()), nil
}
