package main

import "unsafe"

// firstWords is the sum of the first words of b's lines, which are whole. Bounds that are checked for each, and a slice that is cut
// for each, take longer than a line takes to come: a reader so slow never catches up with a writer that was ahead once, and reads
// what has left the caches by then.
func firstWords(b []byte) (sum uint64) {
	lines := unsafe.Slice((*[8]uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/64)
	for i := range lines {
		sum += lines[i][0]
	}
	return sum
}
