package pool

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

const eventOffset = uint64(unsafe.Offsetof(workerState{}.event))

func stateIn(o segment.Object) *workerState { return (*workerState)(o.Pointer()) }

// touch loads what there is of the payload from byte at on, a multiple of 8.
func (m *mailbox) touch(at uint64) { (*word.Uint64)(unsafe.Pointer(&m.payload[at])).Load() }
