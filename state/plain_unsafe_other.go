//go:build !amd64 || interleave || race

package state

import (
	"sync/atomic"
	"unsafe"
)

// plainWords is false where it takes an atomic access to keep loads, or stores, in order, and where the race
// detector is to be told.
const plainWords = false

// copyOut copies from memory that others may be writing to. It loads word by word, because only atomic
// loads come before those that follow; src is aligned to 8 bytes, and its memory goes on to the next
// multiple of 8.
func copyOut(dst, src []byte) {
	p := unsafe.Pointer(unsafe.SliceData(src))
	for i := 0; i < len(dst); i += 8 {
		w := atomic.LoadUint64((*uint64)(unsafe.Add(p, i)))
		copy(dst[i:], (*[8]byte)(unsafe.Pointer(&w))[:])
	}
}

// put writes the pair of a slot that this participant claims.
func (p *pair) put(key, value uint64) {
	p.key.Store(key)
	p.value.Store(value)
}

// setTag gives up the claim of a slot, or takes it back. Others change the other tags of the word meanwhile.
func (b *bucket) setTag(slot int, tag uint64) {
	word, shift := tagPlace(slot)
	for {
		w := b.tags[word].Load()
		if b.tags[word].CompareAndSwap(w, w&^(tagMask<<shift)|tag<<shift) {
			return
		}
	}
}
