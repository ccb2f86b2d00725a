package ring

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

func controlIn(o segment.Object) *control { return (*control)(o.Pointer()) }

// slotsIn is the slots of a ring whose extent was checked.
func slotsIn[T any](o segment.Object, n uint64) []slot[T] {
	return unsafe.Slice((*slot[T])(unsafe.Add(o.Pointer(), controlSize)), n)
}

func slotSize[T any]() uint64 { return uint64(unsafe.Sizeof(slot[T]{})) }

// sequence is the first word of a slot of whatever type, in a ring whose extent was checked.
func sequence(o segment.Object, slot, stride uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Add(o.Pointer(), controlSize+slot*stride))
}

// textOf is the bytes of a string, which nobody changes.
func textOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
