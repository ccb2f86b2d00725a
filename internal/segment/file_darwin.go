package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// privateDir is where a user's segments and lock files lie. It is the same for all processes of the
// user, whatever their TMPDIR: two that had different lock files would take each other for dead.
func privateDir(uid int) string { return fmt.Sprintf("/tmp/kindred-%d", uid) }

func defaultDir() string { return privateDir(os.Geteuid()) }

// makePrivate makes defaultDir if there is none, and sees to it that nobody else made it or gets in.
func makePrivate() error {
	dir := defaultDir()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0 {
		return fmt.Errorf("%s is not a directory of this user alone: %w", dir, ErrOwner)
	}
	return nil
}

// anonymousFile makes a file that has lost its name by the time anybody sees it. There are no seals
// here: whoever has the descriptor can truncate it.
func anonymousFile(size int64) (*os.File, error) {
	f, err := unnamedFile(defaultDir(), 0o600)
	if err != nil {
		return nil, noSpace(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	if err := truncate(f, size); err != nil {
		f.Close()
		return nil, noSpace(err)
	}
	return f, nil
}

// unnamedFile makes a file in dir whose name is not a segment's yet. Whoever dies before link or
// abandon leaves a file that nobody opens.
func unnamedFile(dir string, mode fs.FileMode) (*os.File, error) {
	if dir == defaultDir() {
		if err := makePrivate(); err != nil {
			return nil, err
		}
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fmt.Sprintf(".kindred.new-%016x", id))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, mode.Perm())
	if err != nil {
		return nil, err
	}
	// The umask took bits away that the caller asked for.
	if err := f.Chmod(mode.Perm()); err != nil {
		abandon(f)
		return nil, err
	}
	return f, nil
}

// link gives f, which unnamedFile made, its name. It never replaces a file. It renames, rather than
// links, so that the kernel has one path to tell when the file is to be opened again.
func link(f *os.File, path string) error {
	err := unix.RenamexNp(f.Name(), path, unix.RENAME_EXCL)
	if err != nil {
		os.Remove(f.Name())
	}
	if errors.Is(err, unix.EEXIST) {
		return ErrExist
	}
	if err != nil {
		return &fs.PathError{Op: "rename to", Path: path, Err: err}
	}
	return nil
}

// abandon closes a file of unnamedFile's that gets no name.
func abandon(f *os.File) {
	os.Remove(f.Name())
	f.Close()
}
