package futex

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// The functions of libSystem are imported as x/sys imports them: a name for the dynamic linker, a
// trampoline in assembly, and syscall.syscall6, which tells the scheduler that the thread may block.
// An import that a system lacks ends the program before main, so only what the oldest supported
// system has may stand here; the rest is looked up with dlsym.

//go:cgo_import_dynamic libc_ulock_wait2 __ulock_wait2 "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_ulock_wake __ulock_wake "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_dlsym dlsym "/usr/lib/libSystem.B.dylib"

var (
	libc_ulock_wait2_trampoline_addr uintptr
	libc_ulock_wake_trampoline_addr  uintptr
	libc_dlsym_trampoline_addr       uintptr
)

//go:linkname syscall_syscall6 syscall.syscall6
func syscall_syscall6(fn, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

// With ULF_NO_ERRNO the result is the errno, negated; it is an int of C, so its upper half is noise.

func ulockWait(word *atomic.Uint32, val uint32, ns uint64) int32 {
	r, _, _ := syscall_syscall6(libc_ulock_wait2_trampoline_addr, ulCompareAndWaitShared|ulfNoErrno,
		uintptr(unsafe.Pointer(word)), uintptr(val), uintptr(ns), 0, 0)
	return int32(r)
}

func ulockWake(word *atomic.Uint32, all bool) int32 {
	op := uintptr(ulCompareAndWaitShared | ulfNoErrno)
	if all {
		op |= ulfWakeAll
	}
	r, _, _ := syscall_syscall6(libc_ulock_wake_trampoline_addr, op, uintptr(unsafe.Pointer(word)), 0, 0, 0, 0)
	return int32(r)
}

// osSync holds the addresses of the os_sync_* functions.
type osSync struct {
	waitForever, waitTimeout, wakeAny, wakeAll uintptr
}

// lookUpOSSync reports false where one of them is missing.
func lookUpOSSync() (osSync, bool) {
	s := osSync{
		waitForever: symbol("os_sync_wait_on_address"),
		waitTimeout: symbol("os_sync_wait_on_address_with_timeout"),
		wakeAny:     symbol("os_sync_wake_by_address_any"),
		wakeAll:     symbol("os_sync_wake_by_address_all"),
	}
	return s, s.waitForever != 0 && s.waitTimeout != 0 && s.wakeAny != 0 && s.wakeAll != 0
}

// symbol is the address of a function in any library that the program has loaded, 0 if there is none.
func symbol(name string) uintptr {
	const rtldDefault = ^uintptr(1) // -2
	c, err := syscall.BytePtrFromString(name)
	if err != nil {
		return 0
	}
	r, _, _ := syscall_syscall6(libc_dlsym_trampoline_addr, rtldDefault, uintptr(unsafe.Pointer(c)), 0, 0, 0, 0)
	return r
}

func (s osSync) wait(word *atomic.Uint32, val uint32, ns uint64) int32 {
	if ns == 0 {
		r, _, errno := syscall_syscall6(s.waitForever, uintptr(unsafe.Pointer(word)), uintptr(val), wordSize,
			osSyncShared, 0, 0)
		return negated(r, errno)
	}
	r, _, errno := syscall_syscall6(s.waitTimeout, uintptr(unsafe.Pointer(word)), uintptr(val), wordSize,
		osSyncShared, osClockMachAbsoluteTime, uintptr(ns))
	return negated(r, errno)
}

func (s osSync) wake(word *atomic.Uint32, all bool) int32 {
	fn := s.wakeAny
	if all {
		fn = s.wakeAll
	}
	r, _, errno := syscall_syscall6(fn, uintptr(unsafe.Pointer(word)), wordSize, osSyncShared, 0, 0, 0)
	return negated(r, errno)
}

// negated gives a result of -1 with errno the form that ULF_NO_ERRNO gives it.
func negated(r uintptr, errno syscall.Errno) int32 {
	if int32(r) < 0 && errno != 0 {
		return -int32(errno)
	}
	return int32(r)
}
