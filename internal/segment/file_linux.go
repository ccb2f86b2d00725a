package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// defaultDir is where named segments lie.
func defaultDir() string { return "/dev/shm" }

// memfdNoExecSeal is MFD_NOEXEC_SEAL (Linux 6.3), which older kernels refuse with EINVAL.
const memfdNoExecSeal = 0x8

// anonymousFile makes a memfd of the given size and seals it: nobody can shrink it, so no access
// inside of it can ever fail; nor grow it; nor take the seals away.
func anonymousFile(size int64) (*os.File, error) {
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("kindred", flags|memfdNoExecSeal)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("kindred", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "memfd:kindred")
	if err := truncate(f, size); err != nil {
		f.Close()
		return nil, err
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal: %w", err)
	}
	return f, nil
}

// unnamedFile makes a file in dir that has no name yet: whoever dies before link leaves nothing.
func unnamedFile(dir string, mode fs.FileMode) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir)
	// The umask took bits away that the caller asked for.
	if err := f.Chmod(mode.Perm()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// link gives f, which unnamedFile made, its name. It never replaces a file.
func link(f *os.File, path string) error {
	err := onDescriptor(f, func(fd int) error {
		from := fmt.Sprintf("/proc/self/fd/%d", fd)
		return unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	})
	if errors.Is(err, unix.EEXIST) {
		return ErrExist
	}
	if err != nil {
		return &fs.PathError{Op: "link", Path: path, Err: err}
	}
	return nil
}

// abandon closes a file of unnamedFile's that gets no name.
func abandon(f *os.File) { f.Close() }
