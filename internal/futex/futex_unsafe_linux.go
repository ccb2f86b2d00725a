package futex

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These call package syscall, since the functions of x/sys are trampolines to it, which pass their arguments on the stack, twice.

// futexWaitCall blocks in Syscall6, so that the scheduler can take the processor from the thread.
// An untimed raw system call would hold up every stop of the world.
func futexWaitCall(word *atomic.Uint32, op int, val uint32, deadline *unix.Timespec) unix.Errno {
	_, _, errno := syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op),
		uintptr(val), uintptr(unsafe.Pointer(deadline)), 0, uintptr(own))
	return errno
}

// futexWakeCall never blocks, so it need not tell the scheduler. It is -1 if it fails.
func futexWakeCall(word *atomic.Uint32, op, n int, bits uint32) int {
	r, _, _ := syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op), uintptr(n), 0, 0, uintptr(bits))
	return int(r)
}
