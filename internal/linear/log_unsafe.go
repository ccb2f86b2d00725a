package linear

import "unsafe"

// The file's bytes are what the structs say.
var (
	_ [controlSize]byte = [unsafe.Sizeof(control{})]byte{}
	_ [recordSize]byte  = [unsafe.Sizeof(record{})]byte{}
)

// parts is the control and n records in the memory of a journal, which is long enough.
func parts(memory []byte, n int) (*control, []record) {
	base := unsafe.Pointer(unsafe.SliceData(memory))
	return (*control)(base), unsafe.Slice((*record)(unsafe.Add(base, controlSize)), n)
}
