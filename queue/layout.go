package queue

import (
	"reflect"
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// queueState is how the body of a Queue begins. Its rows follow, if it is joinable, and then its slots. See
// docs/QUEUE.md.
type queueState struct {
	_ structs.HostLayout

	// Written when the queue is made.
	capacity uint64 // messages that it holds
	size     uint64 // slots: the capacity, rounded up to a power of two
	stride   uint64 // bytes from one slot to the next
	data     uint64 // offset of the first slot, from the segment's start
	bound    uint64 // bytes that all messages may have together, 0: any number
	flags    uint32 // joinable, failing, dropping
	rows     uint32 // one for each participant of the segment, or none

	shut  word.Uint32 // 1: nothing can be put any more; stored by who has puts
	eager word.Uint32 // 1: somebody sleeps until there is any room at all
	_     [segment.Line - 56]byte

	// Written by who has puts.
	tail  word.Uint64 // position of the next message, or of one that is there
	limit word.Uint64 // up to where a put need look at nothing else
	puts  segment.LockState
	_     [segment.Line - 48]byte

	// Written by who has gets.
	head    word.Uint64 // position of the next message to be taken
	reach   word.Uint64 // up to where messages are being taken, if that is behind head
	taker   word.Uint64 // 1 + the row of who takes them, 0: they are dropped
	credit  word.Uint64 // what the taker's count becomes
	drained word.Uint64 // bytes of all messages before head, if there is a bound
	dropped word.Uint64 // messages that nobody got, of a joinable queue
	gets    segment.LockState
	_       [segment.Line - 80]byte

	items futex.Event // who gets sleeps here, until there is a message
	_     [segment.Line - 16]byte

	room futex.Event // who puts sleeps here, until there is room
	_    [segment.Line - 16]byte

	idle     futex.Event // who joins sleeps here, until all is done
	reported word.Uint64 // abandoned messages that a Join has told of
	_        [segment.Line - 24]byte
}

// row is what a participant has taken from a joinable queue: that of slot i of the segment's table has row i. Messages
// of which nobody has said yet that they are done are taken - done - abandoned.
type row struct {
	_ structs.HostLayout

	owner     word.Uint64 // segment.Owner of who had it last; stored by who has gets
	taken     word.Uint64 // messages that owners of the row took; likewise
	done      word.Uint64 // of which they said that they are done
	abandoned word.Uint64 // with which they died; stored by who has gets
	_         [segment.Line/2 - 32]byte
}

// parcel is a slot of messages that are no plain memory. Other slots are the sequence, and the message.
type parcel struct {
	_ structs.HostLayout

	sequence word.Uint64 // the position of the message + 1: commits it
	box      uint64      // place of the block with the message, 0: it is in text
	size     uint64      // of the message in bytes
	through  uint64      // bytes of all messages up to this one
	text     [inline]byte
}

const (
	stateSize  = uint64(unsafe.Sizeof(queueState{}))
	rowSize    = uint64(unsafe.Sizeof(row{}))
	parcelSize = uint64(unsafe.Sizeof(parcel{}))
	boxAt      = uint64(unsafe.Offsetof(parcel{}.box))

	putsOffset  = uint64(unsafe.Offsetof(queueState{}.puts))
	getsOffset  = uint64(unsafe.Offsetof(queueState{}.gets))
	itemsOffset = uint64(unsafe.Offsetof(queueState{}.items))
	roomOffset  = uint64(unsafe.Offsetof(queueState{}.room))
	idleOffset  = uint64(unsafe.Offsetof(queueState{}.idle))

	// slotHead is the sequence, with which every slot begins.
	slotHead = 8
	// inline is how many bytes a message has at most that lies in its slot.
	inline = 96
	// boxHead is what a box begins with: the intent that the heap wants.
	boxHead = 8
)

// Flags of a queue, and the variants that options ask for.
const (
	joinable = 1 << iota
	failing
	dropping

	variants = joinable | failing | dropping
)

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[stateSize-6*segment.Line]
	_ = [1]struct{}{}[rowSize-segment.Line/2]
	_ = [1]struct{}{}[parcelSize-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(queueState{}.tail)-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(queueState{}.head)-2*segment.Line]
	_ = [1]struct{}{}[itemsOffset-3*segment.Line]
	_ = [1]struct{}{}[idleOffset-5*segment.Line]
)

// layoutOf is the hash that a queue of T carries.
func layoutOf[T any]() uint64 {
	const spread = 0x9e3779b97f4a7c15
	h := codec.LayoutHash(reflect.TypeFor[queueState]())*spread + codec.LayoutHash(reflect.TypeFor[row]())
	return h*spread + codec.LayoutHash(reflect.TypeFor[T]())
}

// strideOf is the distance of slots with a T of that size in them.
func strideOf(size uint64) uint64 { return slotHead + (size+7)&^7 }
