//go:build !race && !interleave

package ring

import "unsafe"

// stream is write with stores that go past the caches. A run that crosses the end of the ring goes on in the second mapping. All of it is visible when it
// returns. Without such stores it writes none.
func (b *Bytes) stream(at uint64, records [][]byte, most uint64) (n int, size uint64) {
	p := unsafe.Pointer(b.header(at))
	behind, left := streamRecords(p, unsafe.Add(p, most), unsafe.Pointer(unsafe.SliceData(records)), len(records), longRecord)
	return len(records) - left, uint64(uintptr(behind) - uintptr(p))
}

// streamRecords writes of n records, at least one, whose slices lie at records, those before the first that is long or does not fit between at and end, and a
// 0 behind them.
//
//go:noescape
func streamRecords(at, end, records unsafe.Pointer, n int, long uint64) (behind unsafe.Pointer, left int)
