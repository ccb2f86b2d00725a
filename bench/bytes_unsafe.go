package main

import (
	"encoding/binary"
	"unsafe"
)

// firstWords is the sum of the first words of b's lines; of a last one that is not whole, too, if it has one. Bounds that are checked for each, and a slice that is cut
// for each, take longer than a line takes to come: a reader so slow never catches up with a writer that was ahead once, and reads
// what has left the caches by then.
func firstWords(b []byte) (sum uint64) {
	lines := unsafe.Slice((*[8]uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/64)
	for i := range lines {
		sum += lines[i][0]
	}
	if rest := b[64*len(lines):]; len(rest) >= 8 {
		sum += binary.LittleEndian.Uint64(rest)
	}
	return sum
}
