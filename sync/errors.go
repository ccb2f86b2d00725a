package sync

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/segment"
)

var (
	// ErrOwnerDied: the call got the lock, from a process that died with it, or after one did whose work
	// nobody has repaired. It is shm.ErrOwnerDied.
	ErrOwnerDied = segment.ErrOwnerDied
	// ErrNotRecoverable: somebody got ErrOwnerDied and unlocked without MarkConsistent.
	ErrNotRecoverable = segment.ErrNotRecoverable
	// ErrNotHeld: this process does not hold the lock.
	ErrNotHeld = segment.ErrNotHeld
	// ErrCount: a number of permits, parties, or units of work that cannot be.
	ErrCount = errors.New("impossible number")
	// ErrBroken: a party of the Barrier died, gave up or called Abort, or somebody called Reset.
	ErrBroken = errors.New("broken")
	// ErrOption: an option that this kind of object does not have. Whatever makes an object may fail with it.
	ErrOption = segment.ErrOption
)
