package state

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Values of up to 8 bytes are words: they are loaded, stored and swapped at once.

func sizeOf[T any]() uint64 {
	var v T
	return uint64(unsafe.Sizeof(v))
}

// toWord is the bytes of v, which are 8 at most, as a word whose other bytes are zero. T has no padding: a
// copy of a struct need not copy that.
func toWord[T any](v T) (w uint64) {
	switch unsafe.Sizeof(v) {
	case 8:
		w = *(*uint64)(unsafe.Pointer(&v))
	case 4:
		w = uint64(*(*uint32)(unsafe.Pointer(&v)))
	default:
		w = wordOf(&v)
	}
	return w
}

// wordOf is the bytes of *v, with what padding there is, as a word whose other bytes are zero.
func wordOf[T any](v *T) (w uint64) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&w)), 8), bytesOf(v))
	return w
}

// fromWord is the value whose bytes are the low ones of w; zero if it has more than 8.
func fromWord[T any](w uint64) (v T) {
	if unsafe.Sizeof(v) <= 8 {
		v = *(*T)(unsafe.Pointer(&w))
	}
	return v
}

// bytesOf is the memory of *v.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// cellAt is the word of an element of an Array of 8 bytes.
func cellAt(base unsafe.Pointer, off uint64) *word.Uint64 {
	return (*word.Uint64)(unsafe.Add(base, off))
}

// containing is the word of 4 bytes around an element of 4 bytes or less, and by how many bits its low end
// lies above the word's.
func containing(base unsafe.Pointer, off uint64) (w *word.Uint32, shift uint64) {
	return (*word.Uint32)(unsafe.Add(base, off&^3)), off & 3 * 8
}

// loadPart is a load from an element of less than 8 bytes, by the word around it.
func loadPart(base unsafe.Pointer, off, width uint64) uint64 {
	w, shift := containing(base, off)
	return uint64(w.Load()) >> shift & (1<<(8*width) - 1)
}

// swapPart swaps old for v in an element of less than 8 bytes, by the word around it, whose other bytes
// others may change meanwhile.
func swapPart(base unsafe.Pointer, off, width, old, v uint64) bool {
	w, shift := containing(base, off)
	mask := uint32(1<<(8*width)-1) << shift
	for {
		all := w.Load()
		if all&mask != uint32(old)<<shift {
			return false
		}
		if w.CompareAndSwap(all, all&^mask|uint32(v)<<shift) {
			return true
		}
	}
}

// load is a load from an element of that width: 1, 2, 4 or 8.
func load(base unsafe.Pointer, off, width uint64) uint64 {
	if width == 8 {
		return cellAt(base, off).Load()
	}
	return loadPart(base, off, width)
}

// swap is a compare-and-swap of an element.
func swap(base unsafe.Pointer, off, width, old, v uint64) bool {
	if width == 8 {
		return cellAt(base, off).CompareAndSwap(old, v)
	}
	return swapPart(base, off, width, old, v)
}

// store is a store to an element.
func store(base unsafe.Pointer, off, width, v uint64) {
	switch width {
	case 8:
		cellAt(base, off).Store(v)
	case 4:
		w, _ := containing(base, off)
		w.Store(uint32(v))
	default:
		for !swapPart(base, off, width, loadPart(base, off, width), v) {
		}
	}
}
