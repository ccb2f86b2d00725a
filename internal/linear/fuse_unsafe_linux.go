package linear

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigevent says what a timer does. (The kernel's struct has 64 bytes on every architecture.)
type sigevent struct {
	value  uintptr
	signo  int32
	notify int32
	_      [64 - unsafe.Sizeof(uintptr(0)) - 8]byte
}

// lightFuse has the kernel kill this process, with SIGKILL, when d is over, and reports whether it
// will. The kill comes out of a timer's interrupt, whatever the process is doing then: nobody else need
// be given a CPU for it, and so it can come within microseconds.
func lightFuse(d time.Duration) bool {
	const signal = 0 // SIGEV_SIGNAL
	event := sigevent{signo: int32(unix.SIGKILL), notify: signal}
	var timer int32
	_, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer)))
	if errno != 0 {
		return false
	}
	in := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	_, _, errno = unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&in)), 0, 0, 0)
	return errno == 0
}
