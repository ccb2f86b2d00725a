package state

import (
	"sync/atomic"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
)

func listIn(o segment.Object) *listState { return (*listState)(o.Pointer()) }

// spareIn is where the spare of a List lies whose extent was checked.
func spareIn(o segment.Object) *byte { return (*byte)(unsafe.Add(o.Pointer(), listSize)) }

// slotsIn is where the slots of a block begin, which has some.
func slotsIn(b segment.Block) *byte { return unsafe.SliceData(b.Bytes()[listHead:]) }

// bytesAt is n bytes from off on.
func bytesAt(data *byte, off, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(data), off)), n)
}

// wordAt is the word at an offset.
func wordAt(memory []byte, off uint64) *uint64 { return (*uint64)(unsafe.Pointer(&memory[off])) }

// peek is a load of a word that who has the lock may be writing to.
func peek(w *uint64) uint64 { return atomic.LoadUint64(w) }

// element is the T at an offset, which others may be writing to.
func element[T any](data *byte, off, stride uint64) (x T) {
	if unsafe.Sizeof(x) <= wordSize {
		return fromWord[T](load(unsafe.Pointer(data), off, stride))
	}
	copyOut(bytesOf(&x), bytesAt(data, off, uint64(unsafe.Sizeof(x))))
	return x
}

// stretch is the n slots from k on that hold a T each, one behind the other.
func stretch[T any](data *byte, k, n uint64) []T { return view[T](data, int(k), int(n)) }
