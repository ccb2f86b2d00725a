package segment

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// commit backs the bytes from off on with storage, so that a full file system is an error here and
// not a SIGBUS at the first store. It writes zeros: F_PREALLOCATE reserves space behind the end of
// a file and fills no holes before it. Nobody uses these bytes yet.
func commit(f *os.File, off, n int64) error {
	var zeros [64 << 10]byte
	for end := off + n; off < end; {
		written, err := f.WriteAt(zeros[:min(int64(len(zeros)), end-off)], off)
		off += int64(written)
		switch {
		case err == nil:
		case isFull(err), errors.Is(err, unix.EFBIG):
			return fmt.Errorf("back %d bytes with storage: %w (%w)", n, ErrNoSpace, err)
		default:
			return fmt.Errorf("back %d bytes with storage: %w", n, err)
		}
	}
	return nil
}
