package ring

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

func broadcastIn(o segment.Object) *broadcastControl { return (*broadcastControl)(o.Pointer()) }

// broadcastSlots is the slots of a ring whose extent was checked.
func broadcastSlots[T any](o segment.Object, n uint64) []slot[T] {
	return unsafe.Slice((*slot[T])(unsafe.Add(o.Pointer(), broadcastSize)), n)
}

// broadcastSequence is the first word of a slot of whatever type, in a ring whose extent was checked.
func broadcastSequence(o segment.Object, slot, stride uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Add(o.Pointer(), broadcastSize+slot*stride))
}
