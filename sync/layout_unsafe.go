package sync

import (
	"fmt"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

const semaphoreEvent = uint64(unsafe.Offsetof(semaphoreState{}.event))

func semaphoreIn(o segment.Object) *semaphoreState { return (*semaphoreState)(o.Pointer()) }

// MutexAt returns the handle of a MutexState that lies in seg, as part of a struct of the user's
// own. It fails with shm.ErrStale if it does not lie there.
func MutexAt(seg *shm.Segment, state *MutexState) (*Mutex, error) {
	off, ok := seg.Engine().OffsetOf(unsafe.Pointer(state), uint64(unsafe.Sizeof(*state)))
	if !ok || off%8 != 0 {
		return nil, fmt.Errorf("sync: mutex at %p is not in segment %s: %w", state, seg.Engine(), shm.ErrStale)
	}
	return &Mutex{seg: seg, lock: seg.Engine().LockAt(off)}, nil
}
