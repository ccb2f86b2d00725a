package queue

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
)

func pipeIn(o segment.Object) *pipeState { return (*pipeState)(o.Pointer()) }

// laneStateIn and laneSlotsIn are parts of a pipe whose extent was checked: of the lane at that offset in the body.
func laneStateIn(o segment.Object, at uint64) *queueState {
	return (*queueState)(unsafe.Add(o.Pointer(), at))
}

func laneSlotsIn(o segment.Object, at uint64) origin {
	return unsafe.Add(o.Pointer(), at+stateSize)
}

// bytesOf is the memory of v.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }
