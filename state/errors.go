package state

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/segment"
)

var (
	// ErrClosed: the segment was closed. It is shm.ErrClosed.
	ErrClosed = segment.ErrClosed
	// ErrCorrupt: something in the object contradicts itself. It is shm.ErrCorrupt.
	ErrCorrupt = segment.ErrCorrupt
	// ErrBusy: an observer, who can keep nobody from it, looked a thousand times at what others changed all the time, and
	// never saw it in one state.
	ErrBusy = errors.New("changed all the time")
	// ErrRange: an index or a length that the Array does not have.
	ErrRange = errors.New("out of range")
	// ErrEmpty: the List has no elements.
	ErrEmpty = errors.New("empty")
	// ErrType: an attribute of a Namespace is of another type.
	ErrType = errors.New("of another type")
	// ErrOption: an option that this kind of object does not have. Whatever makes an object may fail with it.
	ErrOption = segment.ErrOption
)
