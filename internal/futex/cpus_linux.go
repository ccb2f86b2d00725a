package futex

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cpuCheck is when the affinity was last read, in seconds of CLOCK_MONOTONIC plus one, and in the
// lower bits how many CPUs it held. Affinity changes rarely, by taskset or a container's
// manager, so it is read once a second at most, and the clock at each 16th look, which costs more than the rest of this.
var (
	cpuCheck atomic.Int64
	cpuLooks atomic.Uint32
)

const (
	cpuBits  = 16
	cpuEvery = 16 // looks for each at the clock
)

// cpus is how many CPUs the process's affinity has. GOMAXPROCS does not count: with one processor the partner in another
// process still has a CPU of its own.
func cpus() int {
	seen := cpuCheck.Load()
	if cpuLooks.Add(1)%cpuEvery != 0 && seen != 0 {
		return int(seen & (1<<cpuBits - 1))
	}
	now := int64(time.Since(started)/time.Second) + 1
	if seen>>cpuBits == now {
		return int(seen & (1<<cpuBits - 1))
	}
	var set unix.CPUSet
	n := runtime.NumCPU()
	if err := unix.SchedGetaffinity(unix.Getpid(), &set); err == nil {
		n = set.Count()
	}
	cpuCheck.Store(now<<cpuBits | int64(n))
	return n
}

// yield gives the CPU to another thread that wants it, and reports whether the system can. It is no sleep,
// so the scheduler of this process is not told.
func yield() bool {
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	return errno == 0
}
