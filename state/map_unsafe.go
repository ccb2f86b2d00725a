package state

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

func mapIn(o segment.Object) *mapState { return (*mapState)(o.Pointer()) }

// origin is where a segment is mapped.
type origin = unsafe.Pointer

// baseOf is where the segment of an object is mapped.
func baseOf(o segment.Object) origin { return unsafe.Add(o.Pointer(), -int(o.Offset())) }

// bucketAt is the bucket at an offset that was checked.
func (t *table) bucketAt(off uint64) *bucket { return (*bucket)(unsafe.Add(t.base, off)) }

// bodyOffset is where the body of the Map begins in the segment.
func (t *table) bodyOffset() uint64 {
	return uint64(uintptr(unsafe.Pointer(t.state)) - uintptr(t.base))
}

// plainTag is a tag as a word of its own, on a machine that is little-endian.
func plainTag(w *word.Uint64, shift uint) *uint16 {
	return (*uint16)(unsafe.Add(unsafe.Pointer(w), shift/8))
}

// plain are the words of a pair.
func (p *pair) plain() *[2]uint64 { return (*[2]uint64)(unsafe.Pointer(p)) }
