package segment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kindred-ipc/kindred/internal/liveness"
)

// A name may be taken away from a segment while others attach to it, and while others make a new one
// of that name. Two rules keep these apart, and both are locks that a death frees:
//
//   - Whoever removes a segment because nobody is attached holds the bytes of all slots while it
//     unlinks. Getting them is the proof that nobody is attached, and holding them keeps it true: an
//     attach that comes meanwhile gets no slot, and one that comes later finds that the file has no
//     name (see enter and Open).
//   - Whoever unlinks the file of a segment, for whatever reason, holds its removerByte, and has seen
//     under it that the name still leads to this file. So nobody takes the name from a segment that
//     was made after he looked, however long he was stopped in between.
const (
	removerByte = lockBase - 1
	allBytes    = 1 + maxParticipants // removerByte, and the slots of the largest table
)

// removalPatience is how long others wait for somebody who holds removerByte, which is for a few
// system calls, unless it is stopped in the middle.
const (
	removalPatience = time.Second
	removalPoll     = time.Millisecond
)

// Directory is where named segments lie.
func Directory(c Config) string { return filepath.Dir(c.path("")) }

// Names lists the names of the files of segments, sound or not.
func Names(c Config) ([]string, error) {
	if !supported() {
		return nil, ErrUnsupported
	}
	entries, err := os.ReadDir(Directory(c))
	if c.Dir == "" && errors.Is(err, os.ErrNotExist) {
		return nil, nil // the first segment makes it, where the system does not
	}
	if err != nil {
		return nil, err
	}
	prefix := filepath.Base(c.path(""))
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), prefix); ok && checkName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// Dead lists the names of the segments that Remove would remove now. It changes nothing.
func Dead(c Config) ([]string, error) {
	names, err := Names(c)
	if err != nil {
		return nil, err
	}
	var dead []string
	var failed error
	for _, name := range names {
		attached, err := Attached(name, c)
		switch {
		case err == nil && !attached:
			dead = append(dead, name)
		case err != nil && !ignored(err):
			failed = errors.Join(failed, fmt.Errorf("%q: %w", name, err))
		}
	}
	return dead, failed
}

// Collect removes the segments that no process is attached to, and says which. Files that are no
// segments, or that belong to others, are left alone without an error.
func Collect(c Config) ([]string, error) {
	dead, failed := Dead(c)
	var removed []string
	for _, name := range dead {
		switch err := Remove(name, c); {
		case err == nil:
			removed = append(removed, name)
		case !ignored(err):
			failed = errors.Join(failed, fmt.Errorf("%q: %w", name, err))
		}
	}
	return removed, failed
}

// ignored tells the reasons to leave a file alone from failures.
func ignored(err error) bool {
	for _, reason := range []error{ErrNotSegment, ErrVersion, ErrOwner, ErrInUse, ErrNotExist} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// Attached reports whether a process is attached to the segment of that name. It changes nothing,
// and fails as Remove does.
func Attached(name string, c Config) (bool, error) {
	c.Observe = true
	f, err := openLockable(name, &c)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return liveness.HeldAny(f, lockBase, maxParticipants)
}

// Remove removes the segment of that name if no process is attached to it, and fails with ErrInUse
// otherwise. A process that is stopped is attached. It removes what is truncated or corrupt too, but
// fails with ErrNotSegment or ErrVersion where the locks might mean something else.
func Remove(name string, c Config) error {
	c.Observe = false
	f, err := openLockable(name, &c)
	if err != nil {
		return err
	}
	defer f.Close()
	ok, err := liveness.TryLock(f, removerByte, allBytes)
	if err != nil {
		return fmt.Errorf("lock all slots: %w", err)
	}
	if !ok {
		return ErrInUse
	}
	return unlinkFile(c.path(name), f)
}

// Unlink removes the name, whoever is attached: they keep the segment.
func Unlink(name string, c Config) error {
	if err := checkName(name); err != nil {
		return err
	}
	if !supported() {
		return ErrUnsupported
	}
	path := c.path(name)
	c.Observe = false
	f, err := openFile(path, &c)
	if errors.Is(err, ErrNotExist) {
		return err
	}
	if err != nil {
		// Nothing that a process could be attached to, or that this one may attach to.
		return unlinkPath(path)
	}
	defer f.Close()
	for start := time.Now(); ; time.Sleep(removalPoll) {
		ok, err := liveness.TryLock(f, removerByte, 1)
		if err != nil {
			return fmt.Errorf("lock the name: %w", err)
		}
		if ok {
			return unlinkFile(path, f)
		}
		if time.Since(start) > removalPatience {
			return fmt.Errorf("somebody has been removing it for %v: %w", removalPatience, ErrInUse)
		}
	}
}

// unlinkFile unlinks path if it still leads to f, whose removerByte is held.
func unlinkFile(path string, f *os.File) error {
	ours, err := f.Stat()
	if err != nil {
		return err
	}
	now, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(ours, now) {
		return ErrNotExist // somebody else was quicker
	}
	if err != nil {
		return err
	}
	return unlinkPath(path)
}

// openNamed opens the file of a named segment.
func openNamed(name string, c *Config) (*os.File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if !supported() {
		return nil, ErrUnsupported
	}
	return openFile(c.path(name), c)
}

// openLockable is openNamed for files whose locks mean what they mean here.
func openLockable(name string, c *Config) (*os.File, error) {
	f, err := openNamed(name, c)
	if err != nil {
		return nil, err
	}
	if _, err := validate(f); errors.Is(err, ErrNotSegment) || errors.Is(err, ErrVersion) {
		f.Close()
		return nil, err
	}
	return f, nil
}
