package pool

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
)

const eventOffset = uint64(unsafe.Offsetof(workerState{}.event))

func stateIn(o segment.Object) *workerState { return (*workerState)(o.Pointer()) }
