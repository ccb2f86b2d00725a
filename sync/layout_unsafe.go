package sync

import (
	"fmt"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Where the events lie.
const (
	semaphoreEvent = uint64(unsafe.Offsetof(semaphoreState{}.event))
	eventEvent     = uint64(unsafe.Offsetof(EventState{}.event))
	condEvent      = uint64(unsafe.Offsetof(condState{}.event))
	trackedEvent   = uint64(unsafe.Offsetof(trackedState{}.event))
	trackedLock    = uint64(unsafe.Offsetof(trackedState{}.lock))
	groupEvent     = uint64(unsafe.Offsetof(waitGroupState{}.event))
	groupLock      = uint64(unsafe.Offsetof(waitGroupState{}.lock))
	barrierEvent   = uint64(unsafe.Offsetof(barrierState{}.event))
	barrierLock    = uint64(unsafe.Offsetof(barrierState{}.lock))
	onceLock       = uint64(unsafe.Offsetof(OnceState{}.lock))
)

func sizeOf[S any]() uint64 {
	var s S
	return uint64(unsafe.Sizeof(s))
}

func bodyOf[S any](o segment.Object) *S { return (*S)(o.Pointer()) }

// at finds a state that lies in seg as part of a struct of the user's own.
func (k *shape[S]) at(seg *shm.Segment, state *S) (place, error) {
	off, ok := seg.Engine().OffsetOf(unsafe.Pointer(state), sizeOf[S]())
	if !ok || off%8 != 0 {
		return place{}, fmt.Errorf("sync: %s at %p is not in segment %s: %w", k.kind, state, seg.Engine(), shm.ErrStale)
	}
	return place{seg: seg.Engine(), off: off, kind: k.kind}, nil
}
