package ring

import (
	"sync/atomic"
	"unsafe"
)

// wordsOf is the memory of an object as words.
func wordsOf(b []byte) []atomic.Uint64 {
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/8)
}
