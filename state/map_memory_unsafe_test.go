package state

import "unsafe"

// memoryAt is n bytes of a segment that is mapped at base.
func memoryAt(base unsafe.Pointer, off, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(base, off)), n)
}
