//go:build linux || darwin

package proc

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An ownReader reads what a child itself writes to a pipe or a socket. The end of file comes only when all descendants that
// hold a copy of the other end have closed it; but when the child is reaped (see ended), what itself wrote is all there.
type ownReader struct {
	file *os.File
	left int // how much may be read after the child's end
}

// newOwnReader bounds what is taken for left by the child, because descendants may go on writing: by what a pipe or a socket
// holds, unless somebody with a privilege made it larger.
func newOwnReader(file *os.File) *ownReader { return &ownReader{file, 1 << 20} }

// ended says to the reader of the file that the child is reaped.
func ended(file *os.File) { _ = file.SetReadDeadline(time.Unix(1, 0)) }

// Read returns io.EOF also when the child is reaped and nothing is left.
func (r *ownReader) Read(b []byte) (int, error) {
	n, err := r.file.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	n = poll(r.file, b[:min(len(b), r.left)])
	if n == 0 {
		return 0, io.EOF
	}
	r.left -= n
	return n, nil
}

// poll reads what is there, whatever the deadline. It returns 0 if nothing is.
func poll(file *os.File, b []byte) (n int) {
	conn, err := file.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) {
		for {
			n, err = unix.Read(int(fd), b)
			if err != unix.EINTR {
				return
			}
		}
	})
	return max(n, 0)
}
