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

// queueState is how the body of a Queue begins. Its rows follow, if it is joinable, then its slots, and then
// its bays, if it has leases. See
// docs/QUEUE.md.
type queueState struct {
	_ structs.HostLayout

	// Written when the queue is made.
	capacity uint64 // messages that it holds
	size     uint64 // slots: the capacity, rounded up to a power of two
	stride   uint64 // bytes from one slot to the next
	data     uint64 // offset of the first slot, from the segment's start
	bound    uint64 // bytes that all messages may have together, 0: any number
	flags    uint32 // joinable, failing, dropping, leased
	rows     uint32 // one for each participant of the segment, or none

	shut  word.Uint32 // 1: nothing can be put any more; stored by who has puts
	eager word.Uint32 // 1: somebody sleeps until there is any room at all
	heir  uint64      // place of the queue for the dead, 0: none
	most  uint32      // deliveries, behind which a message goes there
	_     [segment.Line - 68]byte

	// Written by who has puts.
	tail  word.Uint64 // position of the next message, or of one that is there
	limit word.Uint64 // up to where a put need look at nothing else
	puts  segment.LockState
	_     [segment.Line - 48]byte

	// Written by who has gets.
	head    word.Uint64 // position of the next message to be taken
	reach   word.Uint64 // up to where messages are being taken, if that is behind head
	taker   word.Uint64 // 1 + the row of who takes them, or the bay that they go to; 0: they are dropped
	credit  word.Uint64 // what the taker's count becomes, or the bay's word
	drained word.Uint64 // bytes of all messages before head, if there is a bound
	dropped word.Uint64 // messages that nobody got, of a joinable queue
	gets    segment.LockState
	issued  word.Uint64 // tickets of deliveries
	high    word.Uint64 // bays from there on are free
	_       [segment.Line - 96]byte

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

// bay is what a message lies in that is handed out, of a queue with leases. Behind it is what a slot is, in which the sequence
// means nothing. See bays.go for who makes which move.
type bay struct {
	_ structs.HostLayout

	word  word.Uint64 // status, deliveries, ticket
	owner word.Uint64 // segment.Owner of who has it
	at    uint64      // position that the message had
}

// parcel is a slot of messages that are no plain memory. Other slots are the sequence, and the message.
type parcel struct {
	_ structs.HostLayout

	sequence word.Uint64 // the position of the message + 1: commits it
	box      uint64      // place of the block with the message, 0: it is in text
	size     uint64      // of the message in bytes
	through  uint64      // bytes of all messages up to this one, if there is a bound
	text     [inline]byte
}

const (
	stateSize  = uint64(unsafe.Sizeof(queueState{}))
	rowSize    = uint64(unsafe.Sizeof(row{}))
	parcelSize = uint64(unsafe.Sizeof(parcel{}))
	baySize    = uint64(unsafe.Sizeof(bay{}))
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
	// firstLine is how many of them lie on the line of the sequence, where lines have 64 bytes.
	firstLine = 32
	// boxHead is where the message of a box begins: behind the intent that the heap wants, and where a copy is quick of
	// what begins a page, as large slices do (see bulk.Copy).
	boxHead = 32
	// carrierHead is the same where messages may have handles: the box may keep the pipes whose ends they are.
	carrierHead = 96
)

// Flags of a queue, and the variants that options ask for.
const (
	joinable = 1 << iota
	failing
	dropping
	leased

	variants = joinable | failing | dropping | leased
)

// What shut says.
const (
	shutDown = 1 + iota
	dropped  // what comes back is dropped, too
)

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[stateSize-6*segment.Line]
	_ = [1]struct{}{}[rowSize-segment.Line/2]
	_ = [1]struct{}{}[parcelSize-segment.Line]
	_ = [1]struct{}{}[baySize-24]
	_ = [1]struct{}{}[(carrierHead-segment.KeepHeadMost)>>6]
	_ = [1]struct{}{}[unsafe.Offsetof(queueState{}.tail)-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(queueState{}.head)-2*segment.Line]
	_ = [1]struct{}{}[itemsOffset-3*segment.Line]
	_ = [1]struct{}{}[idleOffset-5*segment.Line]
)

// Where others find what names boxes; see segment.Contents.
var (
	_ = [1]struct{}{}[stateSize-segment.ParcelsFirst]
	_ = [1]struct{}{}[unsafe.Offsetof(queueState{}.size)-segment.ParcelsCount]
	_ = [1]struct{}{}[unsafe.Offsetof(queueState{}.data)-segment.ParcelsData]
	_ = [1]struct{}{}[unsafe.Offsetof(queueState{}.flags)-segment.ParcelsFlags]
	_ = [1]struct{}{}[parcelSize-segment.ParcelBytes]
	_ = [1]struct{}{}[boxAt-segment.ParcelBox]
	_ = [1]struct{}{}[baySize-segment.ParcelsBerth]
	_ = [1]struct{}{}[leased-segment.ParcelsBays]
)

// layoutOf is the hash that a queue carries whose messages have that codec.
func layoutOf[T any](c *codec.Codec[T]) uint64 {
	h := headFor(c.Carries())
	h = h*spread + codec.LayoutHash(reflect.TypeFor[queueState]())
	h = h*spread + codec.LayoutHash(reflect.TypeFor[row]())
	return h*spread + c.Layout()
}

// strideOf is the distance of slots with a T of that size in them.
func strideOf(size uint64) uint64 { return slotHead + (size+7)&^7 }
