package crashlab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"
)

// watch sees what changes in a segment. The zero watch sees nothing: there is no segment.
type watch struct {
	mem  []byte
	last []byte
	hash map[uint64]struct{} // of the states seen since begin
	at   int                 // where the last change was
}

func watchSegment(dir, name string) (*watch, error) {
	return watchFile(filepath.Join(dir, "kindred."+name))
}

// watchAnonymous watches the anonymous segment of a process, if it has one.
func watchAnonymous(pid int) (*watch, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if link, err := os.Readlink(path); err == nil && link == "/memfd:kindred (deleted)" {
			return watchFile(path)
		}
	}
	return &watch{}, nil
}

func watchFile(path string) (*watch, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	return &watch{mem: mem, last: bytes.Clone(mem)}, nil
}

// begin forgets what was before an operation.
func (w *watch) begin() {
	copy(w.last, w.mem)
	w.hash = map[uint64]struct{}{xxh3.Hash(w.last): {}}
}

// changed reports whether the segment differs from when it was last asked.
func (w *watch) changed() bool {
	if w.mem == nil || bytes.Equal(w.mem, w.last) {
		return false
	}
	for i, b := range w.mem {
		if b != w.last[i] {
			w.at = i
			break
		}
	}
	copy(w.last, w.mem)
	w.hash[xxh3.Hash(w.last)] = struct{}{}
	return true
}

func (w *watch) close() {
	if w.mem != nil {
		_ = unix.Munmap(w.mem)
		w.mem = nil
	}
}
