package futex

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Commands of membarrier(2).
const (
	membarrierGlobalExpedited         = 1 << 1
	membarrierRegisterGlobalExpedited = 1 << 2
)

// fence is a property of the process, as the kernel's registration is: it outlives any segment.
var fence struct {
	once       sync.Once
	registered atomic.Bool
}

func register() {
	fence.once.Do(func() {
		go func() {
			_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierRegisterGlobalExpedited, 0, 0)
			fence.registered.Store(errno == 0)
		}()
	})
}

func registered() bool { return fence.registered.Load() }

func barrier() bool {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobalExpedited, 0, 0)
	return errno == 0
}
