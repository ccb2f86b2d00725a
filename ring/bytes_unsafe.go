package ring

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/word"
)

// header is the word before the record at offset at, which is less than twice the ring's size. Offsets
// are multiples of 8, and so is the size, so it never crosses the end.
func (b *Bytes) header(at uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Pointer(&b.data[at]))
}
