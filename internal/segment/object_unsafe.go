package segment

import "unsafe"

// Pointer is the address of the body. It is good until Close; after it, it points at zeros.
func (o Object) Pointer() unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(o.seg.m.mem[o.body:])) // one of no bytes may lie at the very end
}

func (m *mapping) lockState(off uint64) *LockState { return (*LockState)(m.at(off)) }
