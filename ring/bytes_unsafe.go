package ring

import (
	"sync/atomic"
	"unsafe"
)

// header is the word before the record at offset at, which is less than twice the ring's size. Offsets
// are multiples of 8, and so is the size, so it never crosses the end.
func (b *Bytes) header(at uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&b.data[at]))
}
