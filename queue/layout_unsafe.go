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
	return (*parcel)(unsafe.Add(q.slots, (at&q.mask)*parcelSize))
}

// bay is one of those that lie behind the slots.
func (q *queue) bay(i uint64) *bay {
	return (*bay)(unsafe.Add(q.slots, (q.mask+1)*q.stride+i*(baySize+q.stride)))
}

// berth is what lies in a bay, as in a slot: the word that is a slot's sequence. berthed is that in a queue of messages that are
// no plain memory.
func (q *queue) berth(i uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Add(unsafe.Pointer(q.bay(i)), baySize))
}

func (q *queue) berthed(i uint64) *parcel { return (*parcel)(unsafe.Pointer(q.berth(i))) }

// message is the T in the slot whose sequence that is.
func message[T any](slot *word.Uint64) *T { return (*T)(unsafe.Add(unsafe.Pointer(slot), slotHead)) }

func sizeOf[T any]() uint64 { return uint64(unsafe.Sizeof(*new(T))) }
