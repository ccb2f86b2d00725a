package futex

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cpuCheck is when the affinity was last read, in seconds of CLOCK_MONOTONIC plus one, and in the
// lowest bit whether it held more than one CPU. Affinity changes rarely, by taskset or a container's
// manager, so a look once a second is enough.
var cpuCheck atomic.Int64

// manyCPUs reports whether the process's affinity has more than one CPU. GOMAXPROCS does not count:
// with one processor the partner in another process still has a CPU of its own.
func manyCPUs() bool {
	now := int64(time.Since(started)/time.Second) + 1
	seen := cpuCheck.Load()
	if seen>>1 == now {
		return seen&1 != 0
	}
	var set unix.CPUSet
	many := int64(0)
	if err := unix.SchedGetaffinity(unix.Getpid(), &set); err != nil || set.Count() > 1 {
		many = 1
	}
	cpuCheck.Store(now<<1 | many)
	return many != 0
}

// yield gives the CPU to another thread that wants it, and reports whether the system can. It is no sleep,
// so the scheduler of this process is not told.
func yield() bool {
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	return errno == 0
}
