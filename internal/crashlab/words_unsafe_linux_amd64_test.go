package crashlab

import (
	"sync/atomic"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
)

func words(o segment.Object) (*atomic.Uint64, *atomic.Uint64) {
	return (*atomic.Uint64)(o.Pointer()), (*atomic.Uint64)(unsafe.Add(o.Pointer(), 8))
}
