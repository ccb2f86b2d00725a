package ring

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// broadcastControl is how the body of a Broadcast begins.
type broadcastControl struct {
	_ structs.HostLayout

	// Written when the ring is made.
	capacity uint64 // records that are kept at least
	slots    uint64 // capacity, and as many more as may be announced at a time
	data     uint64 // offset of the first slot, from the segment's start
	stride   uint64 // bytes from one slot to the next
	// Written when a row is taken.
	used word.Uint32 // rows that were ever somebody's: they are taken from the first on
	_    uint32
	_    [segment.Line - 40]byte

	turn word.Uint64 // who writes; see turn
	tail word.Uint64 // all before it is written; whoever has the turn moves it, some time behind what he writes
	_    [segment.Line - 16]byte

	// intent is up to where slots may be written to from now on: what lies slots or more before it may
	// be overwritten at any moment. Stored before the first of these slots is touched; it only grows.
	intent word.Uint64
	_      [segment.Line - 8]byte

	items futex.Event // subscribers sleep here, until there is a record
	_     [segment.Line - 16]byte

	room futex.Event // writers sleep here, until those who hold them up have read on
	_    [segment.Line - 16]byte

	turns futex.Event // writers sleep here, until they can have the turn
	_     [segment.Line - 16]byte

	rows [maxRows]broadcastRow
}

// broadcastRow is what a writer, or a subscriber that holds writers up, shows to the others. The line is
// its own.
type broadcastRow struct {
	_ structs.HostLayout

	owner word.Uint64 // whose it is, and settling; 0: nobody's, and the others are 0
	busy  word.Uint64 // of a writer: 1 while it may be writing
	at    word.Uint64 // of a subscriber: 1 + the sequence of what it reads next; 0: it holds nobody up
	_     [segment.Line - 24]byte
}

// maxRows is how many writers, and subscribers that hold them up, a Broadcast may have at a time.
const maxRows = 64

const (
	broadcastSize = 6*segment.Line + maxRows*segment.Line
	castItems     = uint64(unsafe.Offsetof(broadcastControl{}.items))
	castRoom      = uint64(unsafe.Offsetof(broadcastControl{}.room))
	castTurns     = uint64(unsafe.Offsetof(broadcastControl{}.turns))
)

// broadcastBody is the body of a Broadcast of T as far as its layout goes: what an object of it carries
// the hash of. The other slots follow the first.
type broadcastBody[T any] struct {
	_ structs.HostLayout

	control broadcastControl
	first   slot[T]
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(broadcastControl{})-broadcastSize]
	_ = [1]struct{}{}[unsafe.Sizeof(broadcastRow{})-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(broadcastBody[byte]{}.first)-broadcastSize]
)
