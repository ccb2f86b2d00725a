package ring

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// header is the word before the record at offset at, which is less than twice the ring's size. Offsets
// are multiples of 8, and so is the size, so it never crosses the end.
func (b *Bytes) header(at uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Pointer(&b.data[at]))
}

// Who has found so many records alike has the lines fetched of as many that are so many bytes ahead.
const (
	aheadEvery = 16
	aheadFrom  = 2 << 10
)

// alike shows records that follow each other from offset at on and are as long as the first, rec, which is a short one and there. It returns how many
// there are, up to len(records), which all lie in the ring and its second mapping. Where the next one begins does not depend on what is loaded then, as
// far as the CPU guesses; so their lines are on their way at the same time, and not one behind the other.
func (b *Bytes) alike(at uint64, rec record, records [][]byte) int {
	p, header, size := unsafe.Pointer(b.header(at)), headerOf(rec), rec.size()
	for n := range records {
		if n > 0 && (*word.Uint64)(p).Load() != header { // pairs with the publish in (*BytesWriter).publish
			return n
		}
		if n%aheadEvery == aheadEvery-1 && at+uint64(n)*size+aheadFrom+aheadEvery*size <= 2*b.size {
			futex.Prefetch((*word.Uint64)(unsafe.Add(p, aheadFrom)), int(aheadEvery*size/64))
		}
		records[n] = unsafe.Slice((*byte)(unsafe.Add(p, recordHeader)), rec.length)
		p = unsafe.Add(p, size)
	}
	return len(records)
}
