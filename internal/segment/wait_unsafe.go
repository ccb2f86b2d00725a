package segment

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// lockEventOffset is where the event lies in a LockState.
const lockEventOffset = uint64(unsafe.Offsetof(LockState{}.event))

func (m *mapping) event(off uint64) *futex.Event { return (*futex.Event)(m.at(off)) }

// OffsetOf is the offset of p, which points into the segment. It reports false if it does not.
func (s *Segment) OffsetOf(p unsafe.Pointer, size uint64) (uint64, bool) {
	base := uintptr(unsafe.Pointer(unsafe.SliceData(s.m.mem)))
	off := uintptr(p) - base
	if uintptr(p) < base || uint64(off) > s.m.size() || s.m.size()-uint64(off) < size {
		return 0, false
	}
	return uint64(off), true
}
