package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// shm_open(3) of this system opens what is no file: it has a name of up to 30 bytes behind a slash, in no
// directory, and is whole pages of 16 or 4 KiB, as many as its size takes. It gets that once, and until then
// cannot be mapped. Nothing but that can be done with it: its memory need not be backed, because it is none of a
// file system's.

func createRaw(name string, size int64, c *Config) (*mapping, error) {
	if c.Dir != "" {
		return createRawFile(name, size, c)
	}
	f, err := shmOpen(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, c.Mode)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m *mapping
	if err = truncate(f, size); err == nil {
		m, err = mapRaw(f, size, c)
	}
	if err != nil {
		_ = shmUnlink("/" + name)
		return nil, err
	}
	return m, nil
}

func openRaw(name string, c *Config) (*os.File, error) {
	if c.Dir != "" {
		return openRawFile(name, c)
	}
	flags := unix.O_RDWR
	if c.Observe {
		flags = unix.O_RDONLY
	}
	f, err := shmOpen(name, flags, 0)
	if err != nil {
		return nil, err
	}
	st, err := status(f)
	if err == nil && int(st.Uid) != os.Geteuid() && int(st.Uid) != c.Owner {
		err = fmt.Errorf("/%s belongs to uid %d: %w", name, st.Uid, ErrOwner)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func unlinkRaw(name string, c *Config) error {
	if c.Dir != "" {
		return unlinkRawFile(name, c)
	}
	return shmError("shm_unlink", name, shmUnlink("/"+name))
}

func shmOpen(name string, flags int, mode fs.FileMode) (*os.File, error) {
	fd, err := shmDescriptor("/"+name, flags, uint32(mode.Perm()))
	if err != nil {
		return nil, shmError("shm_open", name, err)
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "/"+name), nil
}

func shmError(op, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return ErrNotExist
	case errors.Is(err, unix.EEXIST):
		return ErrExist
	case errors.Is(err, unix.ENAMETOOLONG):
		return fmt.Errorf("name of %d bytes: %w", len(name), ErrName)
	}
	return &fs.PathError{Op: op, Path: "/" + name, Err: err}
}
