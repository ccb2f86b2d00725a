package ring

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// hall is how the body of an MPMC ring begins. Behind it lie its lanes, then its seats, then each lane's
// slots, which are those of an SPSC ring.
type hall struct {
	_ structs.HostLayout

	// Written when the ring is made.
	capacity uint64 // values that the ring holds
	size     uint64 // slots of each lane: the capacity, rounded up to a power of two
	data     uint64 // offset of the first lane's slots, from the segment's start
	stride   uint64 // bytes from one slot to the next
	lanes    uint32
	seats    uint32
	_        [segment.Line - 40]byte

	// What everybody reads with each operation, and few write.
	quotas word.Uint64 // how many values each lane may hold; their sum is the capacity
	closed word.Uint32 // 1: nothing can be pushed any more
	crowd  word.Uint32 // 1: somebody found all lanes locked, or all seats taken, and may be asleep
	eager  word.Uint32 // 1: somebody sleeps until there is any room at all
	_      [segment.Line - 20]byte

	items futex.Event // those who pop sleep here
	_     [segment.Line - 16]byte

	room futex.Event // those who push sleep here
	_    [segment.Line - 16]byte
}

// lane is a ring of its own. Whoever pushes holds its lock; whoever pops moves its head.
type lane struct {
	_ structs.HostLayout

	lock  word.Uint64 // who may push: see mpmc_bias.go
	tail  word.Uint64 // position of the next value, if nobody pushes
	limit word.Uint64 // up to where a push need look at nothing else
	_     [segment.Line - 24]byte

	head word.Uint64 // position of the next value to take, and by whom the last was taken; or who has its bias: see mpmc_hold.go
	_    [segment.Line - 8]byte
}

// seat is what a process leaves behind of what it pops, and where it announces what it pushes.
type seat struct {
	_ structs.HostLayout

	owner  word.Uint64           // segment.Owner, 0: nobody's
	takes  [maxLanes]word.Uint64 // the last take from each lane, and how far it got
	lost   word.Uint64           // values that owners took and died with before they returned them
	target word.Uint64           // what lost becomes when a take that was marked takeFold is settled
	_      [segment.Line - 88]byte

	marks [maxMarks]word.Uint64 // 1: whoever runs on the stack of that number pushes to a lane that has the bias to it

	// claims are the positions in the lanes whose heads have a bias to those stacks, times two; and one more while the
	// value there is being popped.
	claims [maxMarks]word.Uint64
}

// foyer is the body of an MPMC ring of T as far as its layout goes: what an object of it carries the hash
// of. There may be more lanes; there are as many seats and slots as the hall says.
type foyer[T any] struct {
	_ structs.HostLayout

	hall  hall
	lane  lane
	seat  seat
	first slot[T]
}

const (
	hallSize = 4 * segment.Line
	laneSize = 2 * segment.Line
	seatSize = 3 * segment.Line

	maxLanes = 8
	maxMarks = segment.Line / 8
	seats    = 32
	// commons are the first seats: they belong to nobody for longer than one pop.
	commons = 4

	hallItemsOffset = uint64(unsafe.Offsetof(hall{}.items))
	hallRoomOffset  = uint64(unsafe.Offsetof(hall{}.room))
)

// A lane's head has the position of the next value in its upper bits; below them, how many values the last
// take took, less one; below those the seat of who took them, counted from 1. What a seat keeps of a take
// has the same form, but how far the take got in place of the seat.
const (
	seatBits  = 9
	countBits = 3
	endShift  = seatBits + countBits
	seatMask  = 1<<seatBits - 1
	maxTake   = 1 << countBits
	// maxEnd is the last position. A lane at which 100 million values arrive each second reaches it after a year.
	maxEnd = 1<<(64-endShift) - 1
)

// How far a take got.
const (
	takeNone = iota // there was none
	takeDone        // the values were returned, or are counted as lost
	takeOpen        // they are taken, as others saw, and perhaps not returned yet
	takeFold        // they are being counted as lost
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(hall{})-hallSize]
	_ = [1]struct{}{}[unsafe.Sizeof(lane{})-laneSize]
	_ = [1]struct{}{}[unsafe.Sizeof(seat{})-seatSize]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.head)-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(seat{}.marks)-segment.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(seat{}.claims)-2*segment.Line]
)

// lanesFor is how many lanes a ring of that capacity has: as many as have their quotas in one word, up to
// maxLanes. Each has slots for the whole capacity, so it is the large rings that have few.
func lanesFor(capacity uint64) int {
	for n := maxLanes; n > 2; n-- {
		if capacity < 1<<quotaBits(n) {
			return n
		}
	}
	return 2
}

func quotaBits(lanes int) int { return 64 / lanes }
