package queue

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
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

// tail is the last word of s, on the line behind that of the sequence.
func (s *parcel) tail() *word.Uint64 { return (*word.Uint64)(unsafe.Pointer(&s.text[inline-8])) }

// text is the message in a slot, as a value whose memory it is.
func text[T any](s *parcel) *T { return (*T)(unsafe.Pointer(&s.text)) }
