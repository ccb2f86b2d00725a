package futex

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const supported = true

// Operations and flags of __ulock_wait2 and __ulock_wake (bsd/sys/ulock.h). The kernel finds a
// shared word by the memory object and the offset in it, so processes may map it at different
// addresses, as long as they map it MAP_SHARED.
const (
	ulCompareAndWaitShared = 3
	ulfWakeAll             = 0x100
	ulfNoErrno             = 0x01000000
)

// Arguments of os_sync_wait_on_address and its family (macOS 14.4), which end in the same two calls
// as __ulock_*: processes that use one meet those that use the other.
const (
	osSyncShared            = 1
	osClockMachAbsoluteTime = 32
	wordSize                = 4
)

// forceUlock is the environment variable that keeps a process from the os_sync_* functions, so that
// both ways can be tested on a system that has both.
const forceUlock = "KINDRED_FORCE_ULOCK"

// kernel is the public interface where the system has it, else the private one, which every system
// that Go runs on has.
var kernel = sync.OnceValue(func() door {
	if os.Getenv(forceUlock) == "" {
		if calls, ok := lookUpOSSync(); ok {
			return door{wait: calls.wait, wake: calls.wake}
		}
	}
	return door{wait: ulockWait, wake: ulockWake}
})

func wait(word *atomic.Uint32, val uint32, d time.Duration) Outcome {
	return kernel().sleep(word, val, d)
}

func wake(word *atomic.Uint32, n int) int { return kernel().rouse(word, n) }

// wakeOwn wakes everybody, who look again.
func wakeOwn(word *atomic.Uint32) { wake(word, All) }
