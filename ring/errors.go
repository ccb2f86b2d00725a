package ring

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/segment"
)

var (
	// ErrClosed: this end, the other end, or the segment was closed. It is shm.ErrClosed.
	ErrClosed = segment.ErrClosed
	// ErrCorrupt: something in the ring contradicts itself. It is shm.ErrCorrupt.
	ErrCorrupt = segment.ErrCorrupt
	// ErrPeerDied: the process at the other end died, and what it had pushed is drained. Calling
	// again waits for a successor.
	ErrPeerDied = errors.New("the process at the other end died")
	// ErrBusy: a process that lives holds this end.
	ErrBusy = errors.New("the end is taken")
	// ErrCapacity: a ring cannot have that capacity.
	ErrCapacity = errors.New("impossible capacity")
	// ErrOption: an option that this kind of object does not have.
	ErrOption = segment.ErrOption
	// ErrTooLarge: a record is larger than the ring, or a run of slots is, or has none.
	ErrTooLarge = errors.New("a size that the ring cannot hold")
)

// ended reports that a stream came to its regular end.
func ended(err error) bool { return errors.Is(err, ErrClosed) }
