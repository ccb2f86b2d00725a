package state

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// listState is how the body of a List begins. The spare follows; the elements lie in a block of their own. Which of
// the headers counts, the lowest bit of the sequence says: that one does not change until the next sequence, nor does
// anything that it stands for. See docs/LIST.md.
type listState struct {
	_ structs.HostLayout

	size     uint64 // of an element in bytes, 0 if they lie in boxes; written when it is made
	stride   uint64 // from one to the next; likewise
	sequence word.Uint64
	even     listHeader
	odd      listHeader
	_        [segment.Line - 88]byte

	lock segment.LockState // held by whoever changes anything
}

// listHeader is what a List is, or is about to be. Whoever has the lock writes to the one that does not count.
type listHeader struct {
	_ structs.HostLayout

	place   uint64 // of the block with the elements, 0 for none; at most one other block is the list's, and it is named by the other header
	first   uint64 // slot of element 0
	length  uint64 // elements; they go around the block's end
	pending uint64 // 1 + the slot whose element is in the spare, 0 for none
}

const (
	listSize   = uint64(unsafe.Sizeof(listState{}))
	listLock   = uint64(unsafe.Offsetof(listState{}.lock))
	listEven   = uint64(unsafe.Offsetof(listState{}.even))
	headerSize = uint64(unsafe.Sizeof(listHeader{}))
)

// listHead is how many bytes a block has before its elements: the heap's intent.
const listHead = 8

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[listSize-segment.Line-32]
	_ = [1]struct{}{}[headerSize-32]
)

// leastSpare is how large the spare is at least.
const leastSpare = 16

// listStride is the distance of elements of that size: a word of 1, 2, 4 or 8 bytes, or words.
func listStride(size uint64) uint64 {
	if size > wordSize {
		return alignUp(size)
	}
	return strideOf(size)
}

// listBody is the size of the body of a List: the spare has room for an element.
func listBody(size uint64) uint64 { return listSize + max(alignUp(size), leastSpare) }
