package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/liveness"
)

// A file that has lost its name cannot be opened again here, so no two processes can have open file
// descriptions of their own of it. Where the slots' bytes are locked depends on whether it has one:
//
//	file has    locked in                            because
//	a name      the segment's file                   each attach opens it by its path
//	none        a lock file in privateDir, named     each attach opens that by its path
//	            by the segment's id
//
// All who are attached must lock the same file. A segment that loses its name while some are attached
// (Unlink) would come between the two, so it cannot be inherited from then on until they are gone:
// the lock file is made only while no slot is live (unused), and an attach by path looks, after it
// took its slot, whether the name is still there (settled). Of the two, one sees the other.

// lockedHere: whoever has a segment's file cannot see from it alone whether anybody is attached.
const lockedHere = false

// openLocks returns the file in which the slots' bytes of the segment are locked.
func openLocks(f *os.File, m *mapping, p plan) (*os.File, error) {
	if linked(f) {
		return f, nil
	}
	path, err := lockPath(f, p.id)
	if err != nil {
		return nil, err
	}
	locks, err := liveness.OpenLockFile(path, func() bool { return unused(m, p.participants) })
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("segments without a name stay with one user here: %w (%w)", ErrOwner, err)
	}
	return locks, err
}

// closeLocks gives back what openLocks returned.
func closeLocks(locks, f *os.File, id uint64) error {
	if locks == f {
		return nil
	}
	path, err := lockPath(f, id)
	if err != nil {
		locks.Close()
		return err
	}
	return liveness.CloseLockFile(locks, path)
}

// lockPath is the same for everybody who has the file.
func lockPath(f *os.File, id uint64) (string, error) {
	st, err := status(f)
	if err != nil {
		return "", err
	}
	return filepath.Join(privateDir(int(st.Uid)), fmt.Sprintf("%016x.lock", id)), nil
}

// unused reports whether no slot is live: whoever locks another file than the one about to be made
// has one.
func unused(m *mapping, slots uint32) bool {
	for i := range slots {
		if m.participant(i).state.Load()&0xff == slotLive {
			return false
		}
	}
	return true
}

// settled is nil if all who are attached lock the same file as s.
func (s *Segment) settled() error {
	if s.locks == s.file && !linked(s.file) {
		return ErrNotExist
	}
	return nil
}

// inherit opens the file of a descriptor that others may have as well. Of one without a name there
// is no other way than a second descriptor of the same description; no lock is taken on it.
func inherit(f *os.File) (*os.File, error) {
	if linked(f) {
		return liveness.Reopen(f)
	}
	var own int
	err := onDescriptor(f, func(fd int) (err error) {
		own, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("duplicate the descriptor of %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(own), f.Name()), nil
}

// handOut opens the segment's file for others, without s's locks. It fails for a segment that had a
// name when this process attached and has none now.
func (s *Segment) handOut() (*os.File, error) {
	if s.locks == s.file {
		return liveness.Reopen(s.file)
	}
	return inherit(s.file)
}
