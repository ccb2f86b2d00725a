package queue

import (
	"reflect"
	"structs"
	"sync"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// shares is how many handles there may be of one end of a pipe, in all processes, with those on their way.
const shares = 128

// pipeState is how the body of a Pipe begins. Its lanes follow: for each way that messages go, a queueState and its slots,
// as in a Queue of messages that are no plain memory.
type pipeState struct {
	_ structs.HostLayout

	// Written when the pipe is made.
	capacity uint64 // messages that each lane holds
	bound    uint64 // bytes that all messages of a lane may have together, 0: any number
	flags    uint32 // oneWay
	_        [4]byte

	serial word.Uint64                // moves when an End is made
	spares [2][spareBoxes]word.Uint64 // places of boxes of each lane that were emptied, for the next ones

	ends [2][shares]word.Uint64 // places of the holds of the end that lane 0 begins at, and of the one where it ends; perhaps moving
}

const (
	// spareBoxes is how many boxes of a lane are kept: to make a large one anew takes system calls, and memory that was not
	// touched before.
	spareBoxes = 6

	pipeStateSize = uint64(unsafe.Sizeof(pipeState{}))
	sparesOffset  = uint64(unsafe.Offsetof(pipeState{}.spares))

	// oneWay is a flag of a pipe that has lane 0 alone.
	oneWay = 1 << 0

	// moving is set in a share beside the place of a hold that is no handle's: who has it may change.
	moving = 1
)

// spareParts are the parts of the segment that they have at most, each of them: of a lane, less than a quarter in all.
var spareParts = [spareBoxes]uint64{16, 16, 32, 32, 64, 64}

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[pipeStateSize-17*segment.Line]
	_ = [1]struct{}{}[pipeStateSize-segment.LanesFirst]
	_ = [1]struct{}{}[sparesOffset-segment.LanesSpare]
)

// spread is the multiplier of layouts that are made of several.
const spread = 0x9e3779b97f4a7c15

// pipeStates is the part of the layout that all pipes share.
var pipeStates = sync.OnceValue(func() uint64 {
	return codec.LayoutHash(reflect.TypeFor[pipeState]())*spread + codec.LayoutHash(reflect.TypeFor[queueState]())
})

// pipeLayoutOf is the hash that a pipe carries from whose first end values of type A go, and from the other of type B.
func pipeLayoutOf[A, B any](a *codec.Codec[A], b *codec.Codec[B]) uint64 {
	h := pipeStates()*spread + headFor(a.Carries())
	h = h*spread + codec.LayoutHash(reflect.TypeFor[A]())
	h = h*spread + headFor(b.Carries())
	return h*spread + codec.LayoutHash(reflect.TypeFor[B]())
}
