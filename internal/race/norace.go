//go:build !race

package race

// Enabled is whether this program is built for the race detector.
const Enabled = false

// Word stands for words of shared memory.
type Word struct{}

// At is the Word at offset in a segment.
func At(segment, offset uint64) Word { return Word{} }

// Acquire is called behind a load from the i-th word from w on.
func (w Word) Acquire(i uint64) {}

// Release is called before a store to the i-th word from w on.
func (w Word) Release(i uint64) {}
