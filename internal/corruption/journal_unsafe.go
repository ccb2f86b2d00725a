package corruption

import (
	"sync/atomic"
	"unsafe"
)

// word is a word of the journal; the operator stores, its parent loads.
func (j *journal) word(i int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&j.mem[8*i]))
}
