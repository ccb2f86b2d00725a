//go:build race

package race

import (
	"runtime"
	"unsafe"
)

// Enabled is whether this program is built for the race detector.
const Enabled = true

// Word stands for words of shared memory.
type Word struct{ first uint64 }

// proxies are what the detector sees of them. Words of one segment that lie less than half a mebibyte
// apart have proxies of their own.
var proxies [1 << 16]uint64

// At is the Word at offset in a segment.
func At(segment, offset uint64) Word { return Word{segment*0x9e3779b97f4a7c15>>32 + offset/8} }

func (w Word) proxy(i uint64) unsafe.Pointer {
	return unsafe.Pointer(&proxies[(w.first+i)%uint64(len(proxies))])
}

// Acquire is called behind a load from the i-th word from w on.
func (w Word) Acquire(i uint64) { runtime.RaceAcquire(w.proxy(i)) }

// Release is called before a store to the i-th word from w on.
func (w Word) Release(i uint64) { runtime.RaceReleaseMerge(w.proxy(i)) }
