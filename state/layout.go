package state

import (
	"reflect"
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// valueState is how the body of a Value begins. If the value has more than 8 bytes, its two copies follow;
// see twin.
type valueState struct {
	_ structs.HostLayout

	size uint64            // of the value in bytes; written when it is made
	word word.Uint64       // the value in its low bytes; or the sequence of its copies
	lock segment.LockState // held by Update, and by whoever writes a copy
}

// arrayState is how the body of an Array begins; the elements follow.
type arrayState struct {
	_ structs.HostLayout

	// Written when it is made.
	length uint64 // elements
	size   uint64 // of one in bytes
	stride uint64 // from one to the next
	data   uint64 // offset of the first, from the segment's start
	_      [segment.Line - 32]byte

	lock segment.LockState // held by Update, and by whoever writes a copy
	_    [segment.Line - 32]byte
}

// mapState is how the body of a Map begins; `lists` words follow.
type mapState struct {
	_ structs.HostLayout

	// Written when it is made.
	seed      uint64 // of the hash of a key
	keySize   uint32 // in bytes, or inBox
	valueSize uint32 // likewise; inBox if keySize is
	extent    uint64 // bytes of an extent: buckets of bucketSize
	listed    uint64 // extents of a list
	lists     uint64 // words that follow, each the place of a list, or 0
	keeps     uint64 // 1 if boxes begin with what they keep; else 0
	_         [segment.Line - 48]byte

	root word.Uint64 // level, and how many buckets of the table before are to be moved yet; see table
	_    [segment.Line - 8]byte
}

// bucket is 28 pairs, with what is known of them in the line before; see header.
type bucket struct {
	_ structs.HostLayout

	header word.Uint64
	tags   [tagWords]word.Uint64 // four tags each: that of slot s in word s%7, in bits 16*(s/7) and up
	pairs  [bucketSlots]pair
}

// pair is what a slot of a bucket has.
type pair struct {
	_ structs.HostLayout

	key, value word.Uint64
}

const (
	bucketSlots = 28
	tagWords    = bucketSlots / 4
	bucketSize  = uint64(unsafe.Sizeof(bucket{}))
	mapSize     = uint64(unsafe.Sizeof(mapState{}))
	// extentsHead is what a list begins with: the intent of its block. Its extents' places follow.
	extentsHead = 64
)

// wordSize is how large a value is at most that is one word. Larger ones are twins.
const wordSize = 8

const (
	valueSize = uint64(unsafe.Sizeof(valueState{}))
	valueLock = uint64(unsafe.Offsetof(valueState{}.lock))
	arraySize = uint64(unsafe.Sizeof(arrayState{}))
	arrayLock = uint64(unsafe.Offsetof(arrayState{}.lock))
)

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[valueSize-48]
	_ = [1]struct{}{}[arraySize-2*segment.Line]
	_ = [1]struct{}{}[mapSize-2*segment.Line]
	_ = [1]struct{}{}[bucketSize-512]
)

// Where others find what names blocks; see segment.Contents.
var (
	_ = [1]struct{}{}[mapSize-segment.RowFirst]
	_ = [1]struct{}{}[extentsHead-segment.ExtentsFirst]
	_ = [1]struct{}{}[bucketSize-segment.BucketBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(bucket{}.pairs)+unsafe.Offsetof(pair{}.value)-segment.BucketFirst]
	_ = [1]struct{}{}[unsafe.Sizeof(pair{})-segment.BucketStep]
	_ = [1]struct{}{}[unsafe.Offsetof(listState{}.even)+unsafe.Offsetof(listHeader{}.place)-segment.SlotsFirst]
	_ = [1]struct{}{}[unsafe.Offsetof(listState{}.odd)+unsafe.Offsetof(listHeader{}.place)-segment.SlotsSecond]
	_ = [1]struct{}{}[listSize-segment.SlotsSpare]
	_ = [1]struct{}{}[listHead-segment.BoxesFirst]
	_ = [1]struct{}{}[mostInBox-segment.MostKept]
)

// layoutOf is the hash that an object carries whose body begins with S and holds values of T.
func layoutOf[S, T any]() uint64 {
	const spread = 0x9e3779b97f4a7c15
	return codec.LayoutHash(reflect.TypeFor[S]())*spread + codec.LayoutHash(reflect.TypeFor[T]())
}

// mapLayout is the hash that a Map carries.
func mapLayout[K, V any]() uint64 {
	const spread = 0x9e3779b97f4a7c15
	return (layoutOf[mapState, K]()*spread+codec.LayoutHash(reflect.TypeFor[V]()))*spread + codec.LayoutHash(reflect.TypeFor[bucket]())
}

// copiesSize is what the two copies of a value of that size take.
func copiesSize(size uint64) uint64 { return 2 * alignUp(size) }

// valueBody is the size of the body of a Value.
func valueBody(size uint64) uint64 {
	if size <= wordSize {
		return valueSize
	}
	return valueSize + copiesSize(size)
}

// strideOf is the distance of elements of that size: a word of 1, 2, 4 or 8 bytes, or a sequence and two
// copies.
func strideOf(size uint64) uint64 {
	switch {
	case size <= 1:
		return 1
	case size <= 2:
		return 2
	case size <= 4:
		return 4
	case size <= wordSize:
		return wordSize
	}
	return 8 + copiesSize(size)
}

func alignUp(n uint64) uint64 { return (n + 7) &^ 7 }
