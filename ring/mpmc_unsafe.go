package ring

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

func hallIn(o segment.Object) *hall { return (*hall)(o.Pointer()) }

// laneIn and seatsIn are parts of a ring whose extent was checked, as are the slots.
func laneIn(o segment.Object, i int) *lane {
	return (*lane)(unsafe.Add(o.Pointer(), hallSize+uintptr(i)*laneSize))
}

func seatsIn(o segment.Object, lanes int, n uint32) []seat {
	return unsafe.Slice((*seat)(unsafe.Add(o.Pointer(), hallSize+uintptr(lanes)*laneSize)), n)
}

func laneSlotsIn[T any](o segment.Object, at, n uint64) []slot[T] {
	return unsafe.Slice((*slot[T])(unsafe.Add(o.Pointer(), at)), n)
}

// sequenceAt is the first word of the slot of whatever type that lies at that place of the body.
func sequenceAt(o segment.Object, at uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Add(o.Pointer(), at))
}
