package queue

import (
	"reflect"
	"structs"
	"sync"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// listenerState is how the body of a Listener begins. Its links follow.
type listenerState struct {
	_ structs.HostLayout

	// Written when the listener is made.
	links  uint64 // connections that there may be at a time
	buffer uint64 // bytes on their way in a connection, each way

	holder word.Uint64 // owner of who listens, 0: nobody
	asked  word.Uint64 // how often a link was asked for
	_      [segment.Line - 32]byte

	calls   futex.Event // who listens sleeps here, until a link is asked for
	_       [segment.Line - 16]byte
	answers futex.Event // who dials sleeps here, until his link is there
	_       [segment.Line - 16]byte
}

// link is a connection: a ring of bytes for each way. See conn_link.go for who may make which move.
type link struct {
	_      structs.HostLayout
	state  word.Uint64    // the phase, and of whom, or which
	serial word.Uint64    // of the connection
	ends   [2]word.Uint64 // owner of who has the end of who dialled, and of who listened; 0: nobody
	rings  [2]word.Uint64 // places of the rings: what who dialled writes, and what he reads
	_      [segment.Line/2 - 48]byte
}

const (
	listenerSize = uint64(unsafe.Sizeof(listenerState{}))
	linkSize     = uint64(unsafe.Sizeof(link{}))

	callsOffset   = uint64(unsafe.Offsetof(listenerState{}.calls))
	answersOffset = uint64(unsafe.Offsetof(listenerState{}.answers))

	// maxLinks is how many connections a listener has at a time.
	maxLinks = 2048

	// defaultBuffer is how many bytes are on their way in a connection, each way, unless somebody asks for others.
	defaultBuffer = 128<<10 - 16
)

// Phases of a link, above 48 bits that say whose it is, or, if it is linked, which.
const (
	phaseShift = 60

	linkFree      = 0
	linkMaking    = 1 << phaseShift
	linkAsking    = 2 << phaseShift
	linkAnswering = 3 << phaseShift
	linkLinked    = 4 << phaseShift
	linkClearing  = 5 << phaseShift
	phaseMask     = 15 << phaseShift
)

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[listenerSize-3*segment.Line]
	_ = [1]struct{}{}[linkSize-segment.Line/2]
)

// listenerLayout is the hash that a listener carries.
var listenerLayout = sync.OnceValue(func() uint64 {
	return codec.LayoutHash(reflect.TypeFor[listenerState]())*spread + codec.LayoutHash(reflect.TypeFor[link]())
})
