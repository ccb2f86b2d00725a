package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusePidfds has pidfd_open fail with ENOSYS in this process from now on, as on a kernel that does not know it.
func refusePidfds() error {
	const accumulate, returned = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: accumulate, K: 0}, // the number of the call, which is the same on all architectures
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PIDFD_OPEN, Jf: 1},
		{Code: returned, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: returned, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // which the first call is about; the second is about all, and brings it to them
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	if _, err := unix.PidfdOpen(os.Getpid(), 0); err != unix.ENOSYS {
		return fmt.Errorf("pidfd_open is still there: %w", err)
	}
	return nil
}
