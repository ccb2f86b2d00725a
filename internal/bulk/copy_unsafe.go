package bulk

import "unsafe"

// alias is whether a load from src looks as if it were from where the store before went.
func alias(dst, src []byte) bool {
	distance := (uintptr(unsafe.Pointer(unsafe.SliceData(dst))) - uintptr(unsafe.Pointer(unsafe.SliceData(src)))) % page
	return distance-1 < near-1
}
