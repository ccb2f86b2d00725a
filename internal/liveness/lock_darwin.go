package liveness

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Locks of an open file description, as bsd/sys/fcntl.h numbers them. The kernel has had them for
// longer than the public header; x/sys does not name them.
const (
	ofdSetLock = 90
	ofdGetLock = 92
)

// Reopen opens f's file again, so that the new descriptor has an open file description of its own:
// locks taken on it are this process's, whoever else inherited f. It goes by the file's path, for
// /dev/fd would only duplicate the descriptor; so it fails if the file has no name any more.
func Reopen(f *os.File) (*os.File, error) {
	path, err := pathOf(f)
	if err != nil {
		return nil, fmt.Errorf("path of %s: %w", f.Name(), err)
	}
	own, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if !isAt(f, path) || !isAt(own, path) {
		own.Close()
		return nil, fmt.Errorf("%s is another file now: %w", path, os.ErrNotExist)
	}
	return own, nil
}
