package futex

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// futexWaitCall blocks in Syscall6, so that the scheduler can take the processor from the thread.
// An untimed raw system call would hold up every stop of the world.
func futexWaitCall(word *atomic.Uint32, op int, val uint32, deadline *unix.Timespec) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op),
		uintptr(val), uintptr(unsafe.Pointer(deadline)), 0, futexMatchAny)
	return errno
}

// futexWakeCall never blocks, so it need not tell the scheduler.
func futexWakeCall(word *atomic.Uint32, op, n int) int {
	r, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op),
		uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(r)
}

// newWaitPair fills the two entries. Both words lie outside of any goroutine's stack: one in a
// mapping, one in the heap, which does not move.
func newWaitPair(shared *atomic.Uint32, val uint32, private *atomic.Uint32) *[2]waitv {
	return &[2]waitv{
		{val: uint64(val), addr: uint64(uintptr(unsafe.Pointer(shared))), flags: futex2SizeU32},
		{val: 0, addr: uint64(uintptr(unsafe.Pointer(private))), flags: futex2SizeU32 | futex2Private},
	}
}

func waitvCall(entries *waitv, n int, deadline *kernelTimespec) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(entries)), uintptr(n), 0,
		uintptr(unsafe.Pointer(deadline)), unix.CLOCK_MONOTONIC, 0)
	return errno
}
