package shm

import (
	"os"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Segment is one attach of this process to a segment. Its methods may be called by any goroutine.
type Segment struct {
	engine *segment.Segment
}

// Ref names an object of a segment, wherever it is read: 16 bytes of plain memory, valid in every
// process. The zero Ref names nothing (IsZero). A Ref to an object that is gone is found out (ErrStale). It can be compared, and be a key; String
// shows it, and MarshalBinary and UnmarshalBinary carry it.
type Ref = segment.Ref

// Create makes a named segment with room for size bytes of objects, from 1 to about 8 TiB; its
// tables come on top, and the whole is rounded up to 64 KiB. The name must not contain a slash and
// is at most 200 bytes long. Memory is taken as objects are made, not before.
//
// It fails with ErrExist, ErrName, ErrSize, or ErrNoSpace. It does not block.
func Create(name string, size int64, opts ...Option) (*Segment, error) {
	s, err := segment.Create(name, size, config(opts))
	return face(s, "create", name, err)
}

// Open attaches to the segment of that name. It fails with ErrNotExist, with ErrNotSegment,
// ErrTruncated, ErrVersion, ErrLayout or ErrCorrupt if the file is not what it should be, with
// ErrOwner, and with ErrFull. It does not block.
func Open(name string, opts ...Option) (*Segment, error) {
	s, err := segment.Open(name, config(opts))
	return face(s, "open", name, err)
}

// OpenOrCreate opens the segment of that name, or makes it. Processes that call it at the same time
// get the same segment; size counts for the one that makes it.
func OpenOrCreate(name string, size int64, opts ...Option) (*Segment, error) {
	s, err := segment.OpenOrCreate(name, size, config(opts))
	return face(s, "open or create", name, err)
}

// Anonymous makes a segment without a name, sealed against truncation. Children get it by
// inheritance (proc.Share); nothing is left when the last process that has it is gone.
func Anonymous(size int64, opts ...Option) (*Segment, error) {
	s, err := segment.Anonymous(size, config(opts))
	return face(s, "make anonymous segment", "", err)
}

// FromFile attaches to the segment whose file f is, as one that was inherited. f stays the
// caller's and may be closed.
func FromFile(f *os.File, opts ...Option) (*Segment, error) {
	s, err := segment.FromFile(f, config(opts))
	return face(s, "attach to", f.Name(), err)
}

// Unlink removes the name. Those who are attached keep the segment, and it goes away with them. It
// fails with ErrNotExist, and with ErrInUse if another process stopped in the middle of an Unlink or
// Collect of that very segment.
func Unlink(name string, opts ...Option) error {
	return wrap("unlink", name, segment.Unlink(name, config(opts)))
}

// Collect removes every named segment that no process is attached to, which is how a program that was
// killed leaves its own, and returns their names. A process that is stopped is attached. Nobody can
// attach to a segment while it is being removed: who comes too late gets ErrNotExist, and OpenOrCreate
// then makes a new one. Files that are no segments, and those of other users, stay. The options Dir
// and Owner apply. The names are valid beside an error too, which says what could not be removed.
func Collect(opts ...Option) ([]string, error) {
	names, err := segment.Collect(config(opts))
	return names, wrap("collect", "", err)
}

func face(s *segment.Segment, op, name string, err error) (*Segment, error) {
	if err != nil {
		return nil, wrap(op, name, err)
	}
	return &Segment{engine: s}, nil
}

// ID is the segment's identity, drawn at random when it was made, never 0.
func (s *Segment) ID() uint64 { return s.engine.ID() }

// Name is the name that the segment was made or opened with, "" for an anonymous one.
func (s *Segment) Name() string { return s.engine.Name() }

// Size is the size of the whole segment in bytes, tables included.
func (s *Segment) Size() int64 { return s.engine.Size() }

// File returns a descriptor of the segment's file, for a child to inherit, who attaches with
// FromFile. The caller closes it.
func (s *Segment) File() (*os.File, error) {
	f, err := s.engine.File()
	return f, within("file of", s.engine, err)
}

// Check is the function Check of this package.
func (s *Segment) Check() error {
	return within("check", s.engine, s.engine.Check())
}

// Close ends this attach. Blocked calls on objects of the segment return ErrClosed, as does every
// later one; what this attach held is taken back as if the process had died. Views into the segment
// read zeros. Other processes, and other attaches of this one, are not concerned. It does not wait
// for anybody and may be called again.
func (s *Segment) Close() error {
	return within("close", s.engine, s.engine.Close())
}

// Engine is for the packages of this module; its type is internal to it.
func (s *Segment) Engine() *segment.Segment { return s.engine }
