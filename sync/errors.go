package sync

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/segment"
)

var (
	// ErrOwnerDied: the call got the lock, from a process that died with it. It is shm.ErrOwnerDied.
	ErrOwnerDied = segment.ErrOwnerDied
	// ErrNotRecoverable: somebody got ErrOwnerDied and unlocked without MarkConsistent.
	ErrNotRecoverable = segment.ErrNotRecoverable
	// ErrNotHeld: this process does not hold the lock.
	ErrNotHeld = segment.ErrNotHeld
	// ErrCount: a number of permits that cannot be.
	ErrCount = errors.New("impossible number of permits")
)
