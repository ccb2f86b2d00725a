package state

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

func valueIn(o segment.Object) *valueState { return (*valueState)(o.Pointer()) }

func arrayIn(o segment.Object) *arrayState { return (*arrayState)(o.Pointer()) }

// elementsIn is the memory of the elements of an Array whose extent was checked.
func elementsIn(o segment.Object) *byte { return (*byte)(unsafe.Add(o.Pointer(), arraySize)) }

// view is n elements of T that lie one behind the other, from element i on.
func view[T any](data *byte, i, n int) []T {
	return unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(data), uintptr(i)*unsafe.Sizeof(*new(T)))), n)
}

// pointerTo is the value in the low bytes of w.
func pointerTo[T any](w *word.Uint64) *T { return (*T)(unsafe.Pointer(w)) }

// sequenceAt is the first word of an element that is a twin, and copiesAt its copies.
func sequenceAt(data *byte, off uint64) *word.Uint64 { return cellAt(unsafe.Pointer(data), off) }

func copiesAt(data *byte, off, size uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(data), off+8)), copiesSize(size))
}

func (a *Array[T]) loadWord(i int) uint64 {
	return load(unsafe.Pointer(a.data), uint64(i)*a.stride, a.stride)
}

func (a *Array[T]) storeWord(i int, w uint64) {
	store(unsafe.Pointer(a.data), uint64(i)*a.stride, a.stride, w)
}

func (a *Array[T]) swapWord(i int, old, w uint64) bool {
	return swap(unsafe.Pointer(a.data), uint64(i)*a.stride, a.stride, old, w)
}
