package segment

import (
	"errors"
	"fmt"
)

// Making and opening a segment.
var (
	ErrExist       = errors.New("already exists")
	ErrNotExist    = errors.New("does not exist")
	ErrName        = errors.New("invalid name")
	ErrSize        = errors.New("invalid size")
	ErrOwner       = errors.New("file belongs to another user")
	ErrNotSegment  = errors.New("not a segment")
	ErrTruncated   = errors.New("truncated segment")
	ErrVersion     = errors.New("segment of another version")
	ErrLayout      = errors.New("layout differs")
	ErrFull        = errors.New("no free participant slot")
	ErrInUse       = errors.New("in use")
	ErrRefused     = errors.New("the system does not give memory of that kind")
	ErrOption      = errors.New("no such option for it")
	ErrUnsupported = fmt.Errorf("shared memory: %w", errors.ErrUnsupported)
)

// Using a segment and what is in it.
var (
	ErrClosed   = errors.New("closed")
	ErrNoSpace  = errors.New("no space")
	ErrCorrupt  = errors.New("corrupt")
	ErrStale    = errors.New("stale reference")
	ErrKind     = errors.New("object of another kind")
	ErrReadOnly = errors.New("opened for inspection only")
)

// ErrOwnerDied says that the process that held something died with it.
var ErrOwnerDied = errors.New("the process that held it died")
