//go:build linux || darwin

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// onDescriptor calls do with f's descriptor. A Close meanwhile waits, where with f.Fd() the number
// might be another file's by the time it is used.
func onDescriptor(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = do(int(fd)) }); err != nil {
		return err
	}
	return result
}

func status(f *os.File) (st unix.Stat_t, err error) {
	err = onDescriptor(f, func(fd int) error { return unix.Fstat(fd, &st) })
	if err != nil {
		return st, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return st, nil
}

func truncate(f *os.File, size int64) error {
	err := onDescriptor(f, func(fd int) error { return unix.Ftruncate(fd, size) })
	if errors.Is(err, unix.EFBIG) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("file of %d bytes: %w (%w)", size, ErrSize, err)
	}
	if err != nil {
		return fmt.Errorf("file of %d bytes: %w", size, err)
	}
	return nil
}

// openFile opens a named segment's file and sees to it that it is a plain file of an owner that the
// caller trusts. It follows no symbolic link, and does not hang on a FIFO.
func openFile(path string, c *Config) (*os.File, error) {
	flags := unix.O_RDWR
	if c.Observe {
		flags = unix.O_RDONLY
	}
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, ErrNotExist
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s is a symbolic link: %w", path, ErrNotSegment)
	case errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EOPNOTSUPP):
		return nil, fmt.Errorf("%s is no plain file: %w", path, ErrNotSegment)
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, fmt.Errorf("%s is no plain file: %w", path, ErrNotSegment)
	}
	if uid := int(st.Uid); uid != os.Geteuid() && uid != c.Owner {
		unix.Close(fd)
		return nil, fmt.Errorf("%s belongs to uid %d: %w", path, uid, ErrOwner)
	}
	// A plain file does not block; without O_NONBLOCK it stays out of Go's poller.
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// linked reports whether f still has a name in the file system.
func linked(f *os.File) bool {
	st, err := status(f)
	return err == nil && st.Nlink > 0
}

func unlinkPath(path string) error {
	err := unix.Unlink(path)
	if errors.Is(err, unix.ENOENT) {
		return ErrNotExist
	}
	if err != nil {
		return &fs.PathError{Op: "unlink", Path: path, Err: err}
	}
	return nil
}

// filePrefix sets the segments apart from whatever else lies in the directory.
const filePrefix = "kindred."

func (c *Config) path(name string) string {
	dir := c.Dir
	if dir == "" {
		dir = defaultDir()
	}
	return filepath.Join(dir, filePrefix+name)
}

func supported() bool { return true }

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOMEM)
}
