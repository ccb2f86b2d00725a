package segment

import (
	"syscall"
	"unsafe"
)

// How functions of libSystem are imported, internal/futex says. The exported shm_open takes its mode as a
// variadic argument, which lies elsewhere on arm64; this is the call beneath it, as old as it is.

//go:cgo_import_dynamic libc_shm_open __shm_open "/usr/lib/libSystem.B.dylib"
//go:cgo_import_dynamic libc_shm_unlink shm_unlink "/usr/lib/libSystem.B.dylib"

var (
	libc_shm_open_trampoline_addr   uintptr
	libc_shm_unlink_trampoline_addr uintptr
)

//go:linkname syscall_syscall6 syscall.syscall6
func syscall_syscall6(fn, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

// shmDescriptor is shm_open.
func shmDescriptor(name string, flags int, mode uint32) (int, error) {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	r, _, errno := syscall_syscall6(libc_shm_open_trampoline_addr, uintptr(unsafe.Pointer(p)), uintptr(flags), uintptr(mode), 0, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(int32(r)), nil
}

// shmUnlink is shm_unlink.
func shmUnlink(name string) error {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	if _, _, errno := syscall_syscall6(libc_shm_unlink_trampoline_addr, uintptr(unsafe.Pointer(p)), 0, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
