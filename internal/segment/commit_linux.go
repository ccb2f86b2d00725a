package segment

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// commit backs the bytes from off on with memory, so that a full file system is an error here and
// not a SIGBUS at the first store.
func commit(f *os.File, off, n int64) error {
	for {
		err := onDescriptor(f, func(fd int) error { return unix.Fallocate(fd, 0, off, n) })
		switch err {
		case nil:
			return nil
		case unix.EINTR:
			continue
		case unix.ENOSPC, unix.ENOMEM, unix.EDQUOT, unix.EFBIG:
			return fmt.Errorf("back %d bytes with memory: %w (%w)", n, ErrNoSpace, err)
		default:
			return fmt.Errorf("back %d bytes with memory: %w", n, err)
		}
	}
}
