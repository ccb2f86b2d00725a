package queue

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

var (
	// ErrClosed: the segment was closed. It is shm.ErrClosed.
	ErrClosed = segment.ErrClosed
	// ErrCorrupt: something in the queue contradicts itself. It is shm.ErrCorrupt.
	ErrCorrupt = segment.ErrCorrupt
	// ErrShutDown: the queue was shut down; of what gets it, all is taken.
	ErrShutDown = errors.New("shut down")
	// ErrFull: there is no room, and the queue is one that does not wait for it (FailWhenFull).
	ErrFull = errors.New("full")
	// ErrBusy: another process is stopped in the middle of the same operation, and does not go on.
	ErrBusy = errors.New("another process is in the middle of it, and stopped")
)

// Making a queue, and putting into it.
var (
	// ErrCapacity: a queue cannot have that capacity.
	ErrCapacity = errors.New("impossible capacity")
	// ErrOption: an option that this kind of object does not have.
	ErrOption = segment.ErrOption
	// ErrTooLarge: a message has more bytes than the queue may hold in all (MaxBytes), or ends of more than 8 pipes.
	ErrTooLarge = errors.New("message larger than the queue")
)

// ErrElsewhere: a message has an end of a pipe that lies in another segment than its own.
var ErrElsewhere = errors.New("not in the same segment")

// errForeign: an option that objects of another kind have.
var errForeign = fmt.Errorf("one of another kind of object: %w", ErrOption)

// Done and Join.
var (
	// ErrNotJoinable: the queue was made without Joinable.
	ErrNotJoinable = errors.New("made without Joinable")
	// ErrDone: Done was called more often than this process took messages.
	ErrDone = errors.New("more done than taken")
	// ErrAbandoned: processes died that had taken messages and not said Done; see AbandonedError.
	ErrAbandoned = errors.New("abandoned by processes that died")
)

// Leases.
var (
	// ErrNoLeases: the queue was made without Leases.
	ErrNoLeases = errors.New("made without Leases")
	// ErrLease: the lease has ended.
	ErrLease = errors.New("lease has ended")
)
