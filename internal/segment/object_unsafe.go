package segment

import "unsafe"

// Pointer is the address of the body. It is good until Close; after it, it points at zeros.
func (o Object) Pointer() unsafe.Pointer { return o.seg.m.at(o.body) }

func (m *mapping) lockState(off uint64) *LockState { return (*LockState)(m.at(off)) }
