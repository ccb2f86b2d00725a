package crashlab

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ptrace is ptrace(2) where the last argument is a number.
func ptrace(request, thread int, addr, data uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(thread), addr, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// peekUser reads a word of the thread's registers, as the kernel lays them out.
func peekUser(thread int, off uintptr) (uint64, error) {
	var word uint64
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_PEEKUSR, uintptr(thread), off,
		uintptr(unsafe.Pointer(&word)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return word, nil
}

// text returns bytes of this program's own instructions, which are the victim's too.
func text(pc uint64, n int) []byte {
	at := uintptr(pc)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), n)
}

// looseAddress is where a victim finds whether it is to stop at marks: where this process does.
func looseAddress() uintptr { return uintptr(unsafe.Pointer(&loose)) }

// peek reads words of the thread's memory, and reports whether it could.
func (t *tracer) peek(addr uint64, words []uint64) bool {
	local := unix.Iovec{Base: (*byte)(unsafe.Pointer(&words[0]))}
	local.SetLen(8 * len(words))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: 8 * len(words)}
	n, err := unix.ProcessVMReadv(t.pid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
	return err == nil && n == remote.Len
}

// loosen makes the process run over marks from now on.
func (t *tracer) loosen() error {
	one := uint32(1)
	local := unix.Iovec{Base: (*byte)(unsafe.Pointer(&one))}
	local.SetLen(4)
	remote := unix.RemoteIovec{Base: looseAddress(), Len: 4}
	_, err := unix.ProcessVMWritev(t.pid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
	return err
}
