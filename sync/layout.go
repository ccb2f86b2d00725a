package sync

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// MutexState is the plain state of a Mutex: 32 bytes of shared memory whose zero is unlocked. Embed
// it in a struct of your own that lies in a segment; MutexAt gives the handle.
type MutexState struct {
	_    structs.HostLayout
	lock segment.LockState
}

// semaphoreState is the body of a Semaphore.
type semaphoreState struct {
	_ structs.HostLayout

	value word.Int64  // permits that are free
	event futex.Event // for those who wait for more
	_     [8]byte
}

// EventState is the plain state of an Event: 24 bytes of shared memory whose zero is cleared. EventAt gives
// the handle.
type EventState struct {
	_ structs.HostLayout

	word  word.Uint64 // how often it was set, above isSet
	event futex.Event
}

// OnceState is the plain state of a Once: 40 bytes of shared memory whose zero is not done. OnceAt gives
// the handle.
type OnceState struct {
	_ structs.HostLayout

	lock segment.LockState // held by who does it
	done word.Uint64       // 1 when it is done; stored under the lock
}

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(MutexState{})-32]
	_ = [1]struct{}{}[unsafe.Sizeof(semaphoreState{})-32]
	_ = [1]struct{}{}[unsafe.Sizeof(EventState{})-24]
	_ = [1]struct{}{}[unsafe.Sizeof(OnceState{})-40]
)
