package sync

import (
	"fmt"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Where events and locks lie in a state.
const (
	rwReaders      = uint64(unsafe.Offsetof(RWMutexState{}.readers))
	rwWriter       = uint64(unsafe.Offsetof(RWMutexState{}.writer))
	semaphoreEvent = uint64(unsafe.Offsetof(SemaphoreState{}.event))
	semaphoreLock  = uint64(unsafe.Offsetof(SemaphoreState{}.lock))
	eventEvent     = uint64(unsafe.Offsetof(EventState{}.event))
	condEvent      = uint64(unsafe.Offsetof(CondState{}.event))
	groupEvent     = uint64(unsafe.Offsetof(WaitGroupState{}.event))
	groupLock      = uint64(unsafe.Offsetof(WaitGroupState{}.lock))
	barrierEvent   = uint64(unsafe.Offsetof(BarrierState{}.event))
	barrierLock    = uint64(unsafe.Offsetof(BarrierState{}.lock))
	onceLock       = uint64(unsafe.Offsetof(OnceState{}.lock))
)

func sizeOf[S any]() uint64 {
	var s S
	return uint64(unsafe.Sizeof(s))
}

func bodyOf[S any](o segment.Object) *S { return (*S)(o.Pointer()) }

// at finds a state that lies in seg as part of a struct of the user's own. It has no name of its own.
func (k *shape[S]) at(seg *shm.Segment, state *S, opts ...shm.ObjectOption) (place, error) {
	spec, err := segment.Specify(segment.Spec{Kind: k.kind}, k.variants, opts)
	if spec.Name != "" || err != nil {
		return place{}, fmt.Errorf("sync: make %s in a struct in segment %s: %w", k.kind, seg.Engine(), ErrOption)
	}
	off, ok := seg.Engine().OffsetOf(unsafe.Pointer(state), sizeOf[S]())
	if !ok || off%8 != 0 {
		return place{}, fmt.Errorf("sync: %s at %p is not in segment %s: %w", k.kind, state, seg.Engine(), shm.ErrStale)
	}
	return place{seg: seg.Engine(), off: off, kind: k.kind}, nil
}
