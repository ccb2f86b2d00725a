package shm

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Errors of making and opening a segment. Those that come back are wrapped with the operation, the
// segment's name and what exactly was wrong; errors.Is finds these.
var (
	// ErrExist: the name is taken.
	ErrExist = segment.ErrExist
	// ErrNotExist: there is nothing of that name.
	ErrNotExist = segment.ErrNotExist
	// ErrName: the name is empty, too long, or contains a slash or NUL.
	ErrName = segment.ErrName
	// ErrSize: the size is zero, negative, or more than can be addressed.
	ErrSize = segment.ErrSize
	// ErrOwner: the file belongs to another user; see the option Owner.
	ErrOwner = segment.ErrOwner
	// ErrNotSegment: the file is no segment, or no plain file.
	ErrNotSegment = segment.ErrNotSegment
	// ErrTruncated: the file is shorter than its header says.
	ErrTruncated = segment.ErrTruncated
	// ErrVersion: another version of the library made the segment.
	ErrVersion = segment.ErrVersion
	// ErrLayout: the bytes are laid out in another way than in this program: the segment's own, or
	// those of the element type of an object.
	ErrLayout = segment.ErrLayout
	// ErrFull: as many participants are attached as the segment has slots for.
	ErrFull = segment.ErrFull
	// ErrInUse: another process is removing the segment, and takes its time.
	ErrInUse = segment.ErrInUse
	// ErrRefused: the system does not give memory as HugePages or Locked ask for it; the text says what is
	// in the way.
	ErrRefused = segment.ErrRefused
	// ErrUnsupported: this platform has no shared memory of the kind that is needed.
	ErrUnsupported = segment.ErrUnsupported
)

// Errors of using a segment and its objects.
var (
	// ErrClosed: this handle, or the segment under it, was closed by this process.
	ErrClosed = segment.ErrClosed
	// ErrNoSpace: the segment is full, or the system has no memory to back it with.
	ErrNoSpace = segment.ErrNoSpace
	// ErrCorrupt: something in the segment contradicts itself.
	ErrCorrupt = segment.ErrCorrupt
	// ErrStale: a Ref to another segment, or to what is there no more.
	ErrStale = segment.ErrStale
	// ErrKind: the object is of another kind.
	ErrKind = segment.ErrKind
	// ErrReadOnly: the segment was opened with the option Observe.
	ErrReadOnly = segment.ErrReadOnly
	// ErrOwnerDied: the process that held it died; what it guards may be inconsistent.
	ErrOwnerDied = segment.ErrOwnerDied
)

// within is wrap for what is done in a segment, which has no name if it is anonymous.
func within(op string, s *segment.Segment, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("shm: %s %s: %w", op, s, err)
}

// wrap names the operation and the segment.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if name == "" {
		return fmt.Errorf("shm: %s: %w", op, err)
	}
	return fmt.Errorf("shm: %s %q: %w", op, name, err)
}
