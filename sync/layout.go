package sync

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// The plain states of the package's objects. Each may be part of a struct of your own that lies in a
// segment: its zero is ready, and MutexAt and so on give the handle.

// MutexState is the plain state of a Mutex, and of an RMutex: 32 bytes of shared memory whose zero is
// unlocked.
type MutexState struct {
	_    structs.HostLayout
	lock segment.LockState
}

// RWMutexState is the plain state of an RWMutex: 80 bytes of shared memory whose zero is unlocked.
type RWMutexState struct {
	_ structs.HostLayout

	lock    segment.LockState // held by a writer, from before the readers have left until it unlocks
	suspect word.Uint64       // 1: nobody holds the lock, and its last holder died; stored under the lock
	readers futex.Event       // for readers, until there is no writer
	writer  futex.Event       // for the writer, until there are no readers
	rows    word.Uint64       // of each process: how often it has locked for reading; see ledger
}

// SemaphoreState is the plain state of a Semaphore: 72 bytes of shared memory whose zero is a semaphore that
// nobody has made yet.
type SemaphoreState struct {
	_ structs.HostLayout

	made  word.Uint64       // permits that it was made with, and its variant; 0: not made yet
	value word.Int64        // permits that are free, less 2⁶³, or who keeps them; 0: as many as it was made with, or a tracked one
	event futex.Event       // for those who wait for more
	lock  segment.LockState // of a tracked one: held while somebody takes permits
	rows  word.Uint64       // of each process: what its keepers have, or, of a tracked one, the permits that it has; see ledger
}

// WaitGroupState is the plain state of a WaitGroup: 64 bytes of shared memory whose zero has no work.
type WaitGroupState struct {
	_ structs.HostLayout

	lock  segment.LockState // held while work goes from one row to another
	event futex.Event       // for those who wait for the end
	died  word.Uint64       // 1: a process died with work undone, and nobody has been told
	rows  word.Uint64       // of each process: the work that it answers for; see ledger
}

// BarrierState is the plain state of a Barrier: 88 bytes of shared memory whose zero is a barrier that
// nobody has made yet.
type BarrierState struct {
	_ structs.HostLayout

	lock    segment.LockState // held while somebody comes, and when a phase ends
	made    word.Uint64       // parties that it was made for, and its variant; 0: not made yet
	rows    word.Uint64       // of each process: the last phase that it came to, and how many of it; see ledger
	spoiled word.Uint64       // which phases Reset ended; see spoil
	came    word.Uint64       // the last phase that anybody came to, and how many have; stored under the lock

	// A line on: those who have come poll here, and are in nobody's way who comes.
	phase word.Uint64 // see Barrier
	event futex.Event // for those who have come
}

// EventState is the plain state of an Event: 24 bytes of shared memory whose zero is cleared.
type EventState struct {
	_ structs.HostLayout

	word  word.Uint64 // how often it was set, above isSet
	event futex.Event
}

// OnceState is the plain state of a Once: 40 bytes of shared memory whose zero is not done.
type OnceState struct {
	_ structs.HostLayout

	lock segment.LockState // held by who does it
	done word.Uint64       // 1 when it is done; stored under the lock
}

// CondState is the plain state of a Cond: 32 bytes of shared memory whose zero has nobody waiting.
type CondState struct {
	_ structs.HostLayout

	event futex.Event // all are woken, and whose row has a signal takes it
	turn  word.Uint64 // where the next signal begins to look for a waiter
	rows  word.Uint64 // of each process: its waiters, above signalBits, and how many are signalled; see ledger
}

// The sizes that the docs state.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(MutexState{})-32]
	_ = [1]struct{}{}[unsafe.Sizeof(RWMutexState{})-80]
	_ = [1]struct{}{}[unsafe.Sizeof(SemaphoreState{})-72]
	_ = [1]struct{}{}[unsafe.Sizeof(WaitGroupState{})-64]
	_ = [1]struct{}{}[unsafe.Sizeof(BarrierState{})-88]
	_ = [1]struct{}{}[unsafe.Sizeof(EventState{})-24]
	_ = [1]struct{}{}[unsafe.Sizeof(OnceState{})-40]
	_ = [1]struct{}{}[unsafe.Sizeof(CondState{})-32]
)
