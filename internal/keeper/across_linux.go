package keeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Processes of other families find what this one keeps in its table, a file in memory that they know by its name in /proc:
//
//	entry        token (16 bytes), descriptor, 1 (8 bytes each); all 0: free
//
// An entry is cleared before the descriptor is closed. So who has found one, has taken the descriptor, and finds the entry still, has
// taken the right one.
const (
	tableName  = "kindred-keeper"
	tableEntry = 32

	segmentName = "kindred" // of anonymous segments
	idOffset    = 32        // of a segment's identity, in its header
)

// table is that of a keeper. Without a file, because the system refuses one, others do not find what is kept.
type table struct {
	file    *os.File
	entries []Token
}

func (t *table) publish(token Token, fd int) {
	if t.file == nil {
		made, err := unix.MemfdCreate(tableName, unix.MFD_CLOEXEC)
		if err != nil {
			return
		}
		t.file = os.NewFile(uintptr(made), tableName)
	}
	at := t.find(Token{})
	if at < 0 {
		at = len(t.entries)
		t.entries = append(t.entries, Token{})
	}
	t.entries[at] = token
	var b [tableEntry]byte
	copy(b[:], token[:])
	binary.LittleEndian.PutUint64(b[16:], uint64(fd))
	b[24] = 1
	_, _ = t.file.WriteAt(b[:], int64(at*tableEntry))
}

func (t *table) withdraw(token Token) {
	at := t.find(token)
	if t.file == nil || at < 0 {
		return
	}
	t.entries[at] = Token{}
	_, _ = t.file.WriteAt(make([]byte, tableEntry), int64(at*tableEntry))
}

func (t *table) find(token Token) int {
	for i := range t.entries {
		if t.entries[i] == token {
			return i
		}
	}
	return -1
}

func (t *table) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
	*t = table{}
}

// stranger is a process of which descriptors are taken.
type stranger struct{ pid, fd int }

func strangerOf(pid int) (s stranger, err error) {
	s.pid = pid
	if s.fd, err = unix.PidfdOpen(pid, 0); err != nil {
		return s, fmt.Errorf("process %d: %w: %w", pid, ErrGone, os.NewSyscallError("pidfd_open", err))
	}
	return s, nil
}

func (s stranger) close() { closeFd(s.fd) }

// descriptor is a duplicate of one of its descriptors.
func (s stranger) descriptor(fd int) (int, error) {
	own, err := unix.PidfdGetfd(s.fd, fd, 0)
	switch {
	case err == nil:
		return own, nil
	case errors.Is(err, unix.EPERM):
		return -1, s.forbidden(err)
	}
	return -1, fmt.Errorf("descriptor %d of process %d: %w: %w", fd, s.pid, ErrGone, os.NewSyscallError("pidfd_getfd", err))
}

func (s stranger) forbidden(err error) error {
	return fmt.Errorf("process %d is of another family, and this one may not trace it (user, capabilities, kernel.yama.ptrace_scope), as to take a descriptor needs: %w: %w",
		s.pid, ErrGone, err)
}

// named calls do with each descriptor of a file in memory of that name, until it reports true.
func (s stranger) named(name string, do func(fd int) bool) (found bool, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", s.pid)
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrPermission) {
		return false, s.forbidden(err)
	}
	for _, e := range list {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		rest, is := strings.CutPrefix(to, "/memfd:"+name)
		if fd, bad := strconv.Atoi(e.Name()); err == nil && bad == nil && is && (rest == "" || rest == " (deleted)") && do(fd) {
			return true, nil
		}
	}
	return false, nil
}

// takeFrom is a duplicate of what a keeper of another family keeps.
func takeFrom(pid int, t Token) (fd int, err error) {
	s, err := strangerOf(pid)
	if err != nil {
		return -1, err
	}
	defer s.close()
	fd, err = -1, fmt.Errorf("process %d does not keep it: %w", pid, ErrGone)
	_, refused := s.named(tableName, func(at int) bool {
		own, bad := s.descriptor(at)
		if bad != nil {
			err = bad
			return false
		}
		f := os.NewFile(uintptr(own), tableName)
		defer f.Close()
		if got, ok := s.lookUp(f, t); ok {
			fd, err = got, nil
		}
		return err == nil
	})
	if refused != nil {
		err = refused
	}
	return fd, err
}

// lookUp takes a descriptor that a table names.
func (s stranger) lookUp(f *os.File, t Token) (fd int, ok bool) {
	var b, again [tableEntry]byte
	for at := int64(0); ; at += tableEntry {
		if _, err := f.ReadAt(b[:], at); err != nil {
			return -1, false
		}
		if Token(b[:16]) != t || b[24] != 1 {
			continue
		}
		fd, err := s.descriptor(int(int32(binary.LittleEndian.Uint64(b[16:]))))
		if err != nil {
			return -1, false
		}
		if _, err := f.ReadAt(again[:], at); err == nil && again == b {
			return fd, true
		}
		closeFd(fd)
		return -1, false
	}
}

// segmentFrom is the file of a segment that another participant of home has.
func segmentFrom(home *segment.Segment, id uint64) (int, error) {
	all, err := home.Participants()
	if err != nil {
		return -1, err
	}
	failed := error(ErrGone)
	for _, p := range all {
		if p.Pid == os.Getpid() || p.Pid == 0 || !p.Alive {
			continue
		}
		fd, err := segmentOf(p.Pid, id)
		if err == nil {
			return fd, nil
		}
		if errors.Is(failed, ErrGone) && failed == error(ErrGone) {
			failed = err
		}
	}
	return -1, failed
}

func segmentOf(pid int, id uint64) (int, error) {
	s, err := strangerOf(pid)
	if err != nil {
		return -1, err
	}
	defer s.close()
	fd, failed := -1, fmt.Errorf("process %d does not have it: %w", pid, ErrGone)
	_, refused := s.named(segmentName, func(at int) bool {
		own, err := s.descriptor(at)
		if err != nil {
			failed = err
			return false
		}
		var b [8]byte
		if _, err := unix.Pread(own, b[:], idOffset); err == nil && binary.LittleEndian.Uint64(b[:]) == id {
			fd, failed = own, nil
			return true
		}
		closeFd(own)
		return false
	})
	if refused != nil {
		failed = refused
	}
	return fd, failed
}
