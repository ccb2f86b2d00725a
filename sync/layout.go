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
	limit int64       // more there may not be; 0: no limit
}

// trackedState is the body of a Semaphore that knows who has its permits.
type trackedState struct {
	_ structs.HostLayout

	lock  segment.LockState // held while somebody takes permits
	event futex.Event       // for those who wait for more
	total int64             // permits that there are
	used  word.Uint32       // rows that were ever somebody's
	_     uint32
	rows  rows // of each process: the permits that it has
}

// waitGroupState is the body of a WaitGroup.
type waitGroupState struct {
	_ structs.HostLayout

	lock  segment.LockState // held while work goes from one row to another
	event futex.Event       // for those who wait for the end
	died  word.Uint32       // 1: a process died with work undone, and nobody has been told
	used  word.Uint32       // rows that were ever somebody's
	rows  rows              // of each process: the work that it answers for
}

// barrierState is the body of a Barrier.
type barrierState struct {
	_ structs.HostLayout

	lock    segment.LockState // held while somebody comes, and when a phase ends
	event   futex.Event       // for those who have come
	phase   word.Uint64       // see Barrier
	spoiled word.Uint64       // the last phase that Reset ended, plus 1
	parties word.Uint32
	leave   uint32      // 1: the dead leave
	used    word.Uint32 // rows that were ever somebody's
	_       uint32
	rows    rows // of each process: the last phase that it came to, and how many of it came
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

// row is what one process has at stake in an object; see ledger.
type row struct {
	_ structs.HostLayout

	owner word.Uint64 // whose it is; 0: nobody's, and count is 0
	count word.Uint64
}

// maxRows is how many processes may use an object with rows.
const maxRows = 64

type rows [maxRows]row

// condState is the body of a Cond.
type condState struct {
	_ structs.HostLayout

	event futex.Event // all are woken, and whose row has a signal takes it
	turn  word.Uint32 // where the next signal begins to look for a waiter
	used  word.Uint32 // rows that were ever somebody's
	rows  rows        // of each process: its waiters, above signalBits, and how many of them are signalled
}

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(MutexState{})-32]
	_ = [1]struct{}{}[unsafe.Sizeof(semaphoreState{})-32]
	_ = [1]struct{}{}[unsafe.Sizeof(EventState{})-24]
	_ = [1]struct{}{}[unsafe.Sizeof(OnceState{})-40]
)
