package segment

import (
	"os"

	"golang.org/x/sys/unix"
)

// decommit gives the memory behind the bytes from off on back to the system: they read as zeros then. It
// may fail where a file system cannot do it, and then nothing has changed.
func decommit(f *os.File, off, n int64) error {
	return onDescriptor(f, func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
}
