// Package word has the types of the words that processes share, and of what the kernel does about
// them.
//
// In a normal build Uint32, Uint64 and Int64 are other names for the types of sync/atomic, Mutex is
// sync.Mutex, and Modelled is a constant false: nothing of this package is left in a program, and a
// test looks for it there.
//
// In a build with the tag interleave they are types of the same size and alignment that ask a Model
// before each access, if there is one. Package interleave is that model: it decides who goes on, who
// dies, and when a store becomes visible. Where production code calls the kernel (sleeps, wakes,
// locks on bytes of a file, pidfds, membarrier), it asks the model first, inside of "if Modelled".
package word

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Operation is an access to a shared word.
type Operation uint8

// The accesses. All but Load and Publish are full fences.
const (
	Load Operation = iota
	Store
	Add
	And
	Or
	Swap
	CompareAndSwap
	Publish // a store that may become visible later: futex.Publish
)

// Outcome is how a modelled sleep ended, as futex.Outcome.
type Outcome int

// How a sleep ends.
const (
	Woken Outcome = iota
	Changed
	TimedOut
	Poked
)

// Model stands for the memory, the kernel and the clock of processes that live in one process. Its
// methods are called by the code of the process that they concern; some do not return, when that is
// killed.
type Model interface {
	// Access makes an access to a word of size bytes. It returns what the word held before, and
	// whether the access changed it as asked.
	Access(p unsafe.Pointer, size int, op Operation, a, b uint64) (old uint64, ok bool)

	// Sleep and Wake are futex(2). A sleep also ends when *poked is no longer 0, of which Poke tells.
	Sleep(w *Uint32, val uint32, poked *atomic.Uint32, d time.Duration) Outcome
	Wake(w *Uint32, n int) int
	Poke(poked *atomic.Uint32)
	// Mark and Carry are those of the package.
	Mark() uint64
	Carry(mark uint64, values []uint64)
	// Late is whether what was waited for has taken long.
	Late() bool
	// Barrier and Registered are membarrier(2).
	Barrier() bool
	Registered() bool
	// ManyCPUs is whether polling can pay off; a poll is one look then.
	ManyCPUs() bool

	// TryLock, Unlock and Held are the locks on bytes that the death of a process frees.
	TryLock(off, n int64) bool
	Unlock(off, n int64)
	Held(off, n int64) bool
	// Self is the number of the process, and the number of its namespace.
	Self() (pid uint32, namespace uint64)
	// Watch has died called when the process pid has died, on a thread of its own, and reports
	// whether there is such a process. Unwatch ends that.
	Watch(key any, pid int, died func()) bool
	Unwatch(key any)

	// Go starts a thread of the calling process. Park ends a thread's turn until *poked is not 0, of which
	// Poke tells.
	Go(f func())
	Park(poked *atomic.Uint32)

	// LockMutex and UnlockMutex are those of a lock between the threads of one process.
	LockMutex(held *bool)
	UnlockMutex(held *bool)
}

// Bit is b as a number, for Carry.
func Bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
