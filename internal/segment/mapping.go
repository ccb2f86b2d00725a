package segment

import "runtime"

// mapping is a range of address space over a segment's file. It lives as long as any handle that
// points into it: the range goes back to the system when the last of them was collected, and not
// at Close, so that a call under way cannot fault.
type mapping struct {
	mem     []byte
	cleanup runtime.Cleanup
}

func (m *mapping) size() uint64 { return uint64(len(m.mem)) }
