package ring

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// control is how the body of every ring with one writer and one reader begins. Each line is written
// by one side, but for the marks of the events, which both write when somebody sleeps.
type control struct {
	_ structs.HostLayout

	// Written when the ring is made.
	capacity uint64 // slots, or bytes
	data     uint64 // offset of the first slot or byte, from the segment's start
	stride   uint64 // bytes from one slot to the next; 1 in a ring of bytes
	// Written when an end is taken or closed.
	writer word.Uint64 // segment.Owner
	reader word.Uint64
	closed word.Uint32
	_      uint32
	_      [segment.Line - 48]byte

	// position is how far the reader has read, to the item: the commit of a pop. Nobody polls it.
	position word.Uint64
	_        [segment.Line - 8]byte

	// given is up to where the reader has given slots back, a few at a time: what the writer polls.
	given word.Uint64
	_     [segment.Line - 8]byte

	items futex.Event // the reader sleeps here, until there is something to read
	_     [segment.Line - 16]byte

	room futex.Event // the writer sleeps here, until there is room
	_    [segment.Line - 16]byte
}

const (
	controlSize = 5 * segment.Line
	minSlot     = 8 // the sequence alone
	itemsOffset = uint64(unsafe.Offsetof(control{}.items))
	roomOffset  = uint64(unsafe.Offsetof(control{}.room))
)

// slot is one place of an SPSC ring. sequence is the position of the value plus one, and what
// publishes it: the value at position p is there if and only if its slot's sequence is p+1.
type slot[T any] struct {
	_ structs.HostLayout

	sequence word.Uint64
	value    T
}

// body is the body of an SPSC ring of T as far as its layout goes: what an object of it carries the
// hash of. The other slots follow the first.
type body[T any] struct {
	_ structs.HostLayout

	control control
	first   slot[T]
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(control{})-controlSize]
	_ = [1]struct{}{}[unsafe.Offsetof(body[byte]{}.first)-controlSize]
	_ = [1]struct{}{}[unsafe.Offsetof(slot[byte]{}.value)-8]
)
