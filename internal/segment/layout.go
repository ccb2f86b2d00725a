package segment

import (
	"reflect"
	"structs"
	"sync"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// This file is the layout of a segment, byte for byte; docs/LAYOUT.md says the same in words, and a
// test holds the two together.
//
//	0               header
//	tableOffset     participants, one slot of participantSize bytes each
//	runsOffset      what each run of the heap is used for, a run each
//	controlsOffset  a control word for each granule of the heap
//	heapOffset      the runs; up to header.top they have been used
//	size            the end
//
// The tables of the heap and the runs are backed by memory as they are used.
//
// Everything is little-endian. Offsets count bytes from the segment's start; 0 is nil. Words that
// several processes write at a time lie on lines of 128 bytes.
const (
	magic   = uint64(0x31_44_52_44_4e_49_4b_7f) // "\x7fKINDRD1" as bytes
	version = 1

	// Line is the distance that keeps two words from sharing a cache line or the pair of lines that
	// a prefetcher loads.
	Line = 128

	// pageAlign is a multiple of every page size in use, so that offsets do not depend on it.
	pageAlign = 64 << 10

	// granule is what the heap counts in: a block begins at a multiple of it.
	granule = 64

	// A run has 4 KiB in a small segment, 64 KiB in another one.
	smallRunShift = 12
	largeRunShift = 16
	smallSegment  = 4 << 20

	// maxSize is what a Ref can address: 40 bits in units of 8 bytes.
	maxSize = 1 << 43

	defaultParticipants = 1024
	maxParticipants     = 1<<16 - 1

	// lockBase is the offset, beyond any file's end, of the bytes that participants lock.
	lockBase = 1 << 60
)

// header is at offset 0.
type header struct {
	_ structs.HostLayout

	// Written once, by the creator, before anybody can open the segment. magic comes last.
	magic          uint64
	version        uint32
	participants   uint32 // slots in the table
	layout         uint64 // layoutHash of whoever made the segment
	size           uint64 // of the file, in bytes
	id             uint64 // random, never 0: what a Ref names the segment by
	tableOffset    uint64
	heapOffset     uint64
	created        int64 // nanoseconds since 1970
	creator        uint32
	runShift       uint32 // a run has 1<<runShift bytes
	runsOffset     uint64
	controlsOffset uint64
	_              [Line - 88]byte

	lock      LockState   // of the directory, and of those who look for several runs in a row
	directory word.Uint64 // place of the newest object with a name, 0: none; a store commits a name
	tabled    word.Uint64 // runs whose entries are backed by memory; only grows
	top       word.Uint64 // runs below it have been used; only grows
	vacant    word.Uint64 // about how many runs below top are free, or nobody's; a hint
	_         [Line - 64]byte

	// Hints and counters.
	nextSlot word.Uint32 // where the next attach begins to look, so that generations last
	_        uint32
	swept    word.Uint64 // participants that were swept after they died
	_        [Line - 16]byte
}

// participant is one slot of the table. Whoever holds the lock on the slot's byte may write to it.
type participant struct {
	_ structs.HostLayout

	state     word.Uint64 // generation<<8 | slotFree, slotLive or slotRetired
	pid       uint32
	allocated word.Uint32 // allocatedSince before the participant first has something of the heap; see allocatedBefore
	start     uint64      // see liveness.Identity
	namespace uint64
	attached  int64       // nanoseconds since 1970
	doorbell  futex.Event // for waits that are folded into one thread
	name      [participantName]byte
}

const (
	runSize         = 32
	blockHeaderSize = 64
	participantSize = Line
	participantName = participantSize - 56
)

// Values of participant.allocated.
const (
	allocatedSince = 1
	// allocatedBefore says that one who was about to take the slot had something of the heap, as its next participant: he
	// went on with what the last one had begun.
	allocatedBefore = 2
)

// States of a slot, in the low byte of participant.state.
//
//	from     to       who                                     holding the slot's byte
//	free     live     the process that attaches               yes, for as long as it is attached
//	live     free     the same on Close; a sweeper            yes
//	free     retired  a process that finds the last generation  yes
const (
	slotFree = iota
	slotLive
	slotRetired
)

// run says what one run of the heap is used for; see heap.go.
type run struct {
	_ structs.HostLayout

	word   word.Uint64 // state, and who has it
	guests word.Uint64 // bit slot%64 is set before a participant has a block here; never cleared
	extent word.Uint64 // bytes of the block that begins here, or how many runs before this one it begins
	freed  word.Uint64 // blocks that were freed since nobody allocates here; a hint
}

// blockHeader begins the block of an object; the object's name and its body follow.
type blockHeader struct {
	_ structs.HostLayout

	intent     word.Uint64 // offset of the word that names the block, while it is tied
	next       word.Uint64 // place of the next older object with a name, 0: none
	serial     uint64      // of the name: more than that of the next older one
	size       uint64      // of the object, header included; a multiple of Line
	layout     uint64      // hash of what the body is, by its kind's package
	kind       uint32
	bodyOffset uint32 // from the block's start
	nameLength uint32 // the name's bytes follow this header
	contents   uint32 // where it names other blocks, which go with it: a Contents
	_          uint64
}

// LockState is a lock that a death cannot hold; see Lock.
type LockState struct {
	_ structs.HostLayout

	owner word.Uint64 // an Owner, with lock flags; 0: free
	event futex.Event
	since word.Uint64 // when a waiter first saw the owner, in ns since 1970; 0: none has
}

// The sizes that the document states, checked where they are compiled.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-3*Line]
	_ = [1]struct{}{}[unsafe.Sizeof(participant{})-participantSize]
	_ = [1]struct{}{}[unsafe.Sizeof(run{})-runSize]
	_ = [1]struct{}{}[unsafe.Sizeof(blockHeader{})-blockHeaderSize]
	_ = [1]struct{}{}[unsafe.Sizeof(LockState{})-32]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.lock)-Line]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.nextSlot)-2*Line]
)

// layoutHash is what two programs must agree on before one opens the other's segment.
var layoutHash = sync.OnceValue(func() uint64 {
	h := uint64(version)
	for _, t := range []reflect.Type{
		reflect.TypeFor[header](), reflect.TypeFor[participant](), reflect.TypeFor[run](),
		reflect.TypeFor[blockHeader](), reflect.TypeFor[LockState](),
	} {
		h = h*0x9e3779b97f4a7c15 + codec.LayoutHash(t)
	}
	return h
})

// alignUp rounds n up to a multiple of to, a power of two.
func alignUp(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }

// LayoutOf returns a function that hashes T's layout, once: what an object of that body carries.
func LayoutOf[T any]() func() uint64 {
	return sync.OnceValue(func() uint64 { return codec.LayoutHash(reflect.TypeFor[T]()) })
}
