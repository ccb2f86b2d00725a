package bias

import "unsafe"

// Stack names the stack that the caller runs on: no two goroutines are on one at a time. It takes part of the
// address, which stays the same as long as nothing is called that may have the stack move.
func Stack() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here)) >> stackBits
}

// stackBits: no stack of Go's is smaller, or begins in the middle of so many bytes.
const stackBits = 11
