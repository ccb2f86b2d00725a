package queue

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
)

func listenerIn(o segment.Object) *listenerState { return (*listenerState)(o.Pointer()) }

// linksIn are those of a listener whose extent was checked.
func linksIn(o segment.Object, n uint64) []link {
	return unsafe.Slice((*link)(unsafe.Add(o.Pointer(), listenerSize)), n)
}
