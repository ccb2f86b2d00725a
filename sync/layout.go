package sync

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
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

	value atomic.Int64 // permits that are free
	event futex.Event  // for those who wait for more
	_     [8]byte
}

const (
	mutexSize     = 32
	semaphoreSize = 32
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(MutexState{})-mutexSize]
	_ = [1]struct{}{}[unsafe.Sizeof(semaphoreState{})-semaphoreSize]
)
