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

// begin is where the slots of a lane begin: what leads there has a type for all rings.
type begin = unsafe.Pointer

func beginOf[T any](slots []slot[T]) begin { return begin(unsafe.SliceData(slots)) }

// slotAt is slot i of those from there on, which are more than i.
func slotAt[T any](from begin, i uint64) *slot[T] {
	return (*slot[T])(unsafe.Add(from, uintptr(i)*unsafe.Sizeof(slot[T]{})))
}

// sequenceAt is the first word of the slot of whatever type that lies at that place of the body.
func sequenceAt(o segment.Object, at uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Add(o.Pointer(), at))
}
