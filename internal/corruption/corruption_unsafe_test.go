package corruption

import "unsafe"

// behind reads the byte so far behind b.
func behind(b []byte, n int) byte {
	return *(*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), len(b)+n))
}
