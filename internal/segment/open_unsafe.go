package segment

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/word"
)

// bytes is the memory of h.
func (h *header) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(h)), unsafe.Sizeof(*h))
}

// publish stores the magic, last of all: whoever sees it sees a complete header.
func (h *header) publish() {
	(*word.Uint64)(unsafe.Pointer(&h.magic)).Store(magic)
}
