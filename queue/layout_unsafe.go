package queue

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// origin is where the slots of a queue begin.
type origin = unsafe.Pointer

func stateIn(o segment.Object) *queueState { return (*queueState)(o.Pointer()) }

// rowsIn and slotsIn are parts of a queue whose extent was checked.
func rowsIn(o segment.Object, n uint32) []row {
	return unsafe.Slice((*row)(unsafe.Add(o.Pointer(), stateSize)), n)
}

func slotsIn(o segment.Object, rows uint32) origin {
	return unsafe.Add(o.Pointer(), stateSize+uint64(rows)*rowSize)
}

// sequence is the first word of the slot of a position.
func (q *queue) sequence(at uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Add(q.slots, (at&q.mask)*q.stride))
}

// parcel is that slot in a queue of messages that are no plain memory.
func (q *queue) parcel(at uint64) *parcel {
	return (*parcel)(unsafe.Add(q.slots, (at&q.mask)*q.stride))
}

// message is the T in the slot whose sequence that is.
func message[T any](slot *word.Uint64) *T { return (*T)(unsafe.Add(unsafe.Pointer(slot), slotHead)) }

func sizeOf[T any]() uint64 { return uint64(unsafe.Sizeof(*new(T))) }
