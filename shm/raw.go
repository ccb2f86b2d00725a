package shm

import (
	"fmt"
	"io"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Raw is memory that this program shares by name with programs that know nothing of this library: POSIX shared
// memory, as shm_open(3) gives it, and as Python has it in multiprocessing.shared_memory.SharedMemory. It has no
// header, no participants, and no objects. What lies in it, and who may write to it when, is for the programs to
// agree on: nothing here knows who died.
//
// A name is that of shm_open, with or without the slash before it; Python shows it without. (On Linux it is a file
// in /dev/shm, where no name may begin with "kindred.", as the files of a Segment do.) A name goes away with UnlinkRaw
// alone; Collect leaves it. A process of Python up to 3.12 takes away, when it ends, all names that it made or
// opened; so does a later one, unless it was opened with track=False. Those who have it mapped keep the memory.
//
// The methods may be called by any goroutine.
type Raw struct{ engine *segment.Raw }

// CreateRaw makes a raw segment of size bytes, all zero, which others find by its name: with its whole size on
// Linux; on macOS there is a moment in which it has none. Its memory is taken at once, so that there is no SIGBUS
// later. The options Dir, Mode, Prefault and Locked apply; with Dir it is a file in that directory. It fails with
// ErrExist, ErrName, ErrSize and ErrNoSpace.
func CreateRaw(name string, size int64, opts ...Option) (*Raw, error) {
	r, err := segment.CreateRaw(name, size, config(opts))
	return rawFace(r, "create raw", name, err)
}

// OpenRaw maps the raw segment of that name, whoever made it, as large as it is. One that another program made may
// have no memory behind it yet: a store to it ends the program with SIGBUS if there is none left, which the option
// Prefault finds out before. It applies, and so do Dir, Owner, Locked, and Observe, with which the memory must not be
// written to, and nothing is prefaulted or locked.
//
// It fails with ErrNotExist, with ErrTruncated if it has no bytes (yet), with ErrOwner, with ErrNotSegment if it is no
// plain file, and with ErrName.
func OpenRaw(name string, opts ...Option) (*Raw, error) {
	r, err := segment.OpenRaw(name, config(opts))
	return rawFace(r, "open raw", name, err)
}

// OpenOrCreateRaw opens the raw segment of that name, or makes it; size counts for the one that makes it.
func OpenOrCreateRaw(name string, size int64, opts ...Option) (*Raw, error) {
	r, err := segment.OpenOrCreateRaw(name, size, config(opts))
	return rawFace(r, "open or create raw", name, err)
}

// UnlinkRaw removes the name of a raw segment. Those who have it mapped keep the memory, and it goes away with the
// last of them. It fails with ErrNotExist, so of those who unlink a name one succeeds. The option Dir applies.
func UnlinkRaw(name string, opts ...Option) error {
	return wrap("unlink raw", name, segment.UnlinkRaw(name, config(opts)))
}

func rawFace(r *segment.Raw, op, name string, err error) (*Raw, error) {
	if err != nil {
		return nil, wrap(op, name, err)
	}
	return &Raw{r}, nil
}

// Name is its name, without a slash.
func (r *Raw) Name() string { return r.engine.Name() }

// Size is how many bytes it has. It may be more than its maker asked for: macOS rounds up to whole pages.
func (r *Raw) Size() int64 { return int64(len(r.engine.Bytes())) }

// Bytes is the memory, all of it. It is good while r is open and in use: the program keeps r. After Close it reads
// zeros. If it was opened with Observe, a store to it is a fault that ends the program.
//
// What others store is seen as the machine has it. Words that are used by several at once are for sync/atomic.
func (r *Raw) Bytes() []byte { return r.engine.Bytes() }

// ReadAt copies what lies from off on to p, as an io.ReaderAt: less than p is an io.EOF. It fails with ErrClosed, and
// with ErrSize if off is negative.
func (r *Raw) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, r.wrap("read", r.outside(len(p), off))
	}
	n = copy(p, r.Bytes()[min(off, r.Size()):])
	runtime.KeepAlive(r)
	if r.engine.IsClosed() {
		return 0, r.wrap("read", ErrClosed)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt copies p to where off is, all of it or nothing: if it does not fit, it fails with ErrSize. It fails else with
// ErrReadOnly and ErrClosed.
func (r *Raw) WriteAt(p []byte, off int64) (n int, err error) {
	if err := r.engine.Writable(); err != nil {
		return 0, r.wrap("write", err)
	}
	if off < 0 || int64(len(p)) > r.Size()-off {
		return 0, r.wrap("write", r.outside(len(p), off))
	}
	n = copy(r.Bytes()[off:], p)
	runtime.KeepAlive(r)
	if r.engine.IsClosed() {
		return 0, r.wrap("write", ErrClosed)
	}
	return n, nil
}

func (r *Raw) outside(n int, off int64) error {
	return fmt.Errorf("%d bytes at %d of %d: %w", n, off, r.Size(), ErrSize)
}

func (r *Raw) wrap(op string, err error) error { return wrap(op+" raw", r.Name(), err) }

// Close ends this mapping: the memory reads zeros in this process from here on. Others, and other mappings of this
// process, are not concerned, and the name stays. It may be called again. A Raw that was forgotten is unmapped when it
// was collected.
func (r *Raw) Close() error { return r.wrap("close", r.engine.Close()) }
