package segment

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapAligned maps the file at a multiple of the size of a huge page: it reserves more, and gives back what
// is left on both sides.
func mapAligned(f *os.File, size int64) (*mapping, error) {
	n := uintptr(size)
	if int64(n) != size || n+hugePage < n {
		return nil, fmt.Errorf("%d bytes are beyond the address space: %w", size, ErrSize)
	}
	var base unsafe.Pointer
	err := reserve(func() (err error) {
		base, err = unix.MmapPtr(-1, 0, nil, n+hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes: %w", n+hugePage, noSpace(err))
	}
	before := -uintptr(base) & (hugePage - 1)
	start := unsafe.Add(base, before)
	err = onDescriptor(f, func(fd int) error {
		_, err := unix.MmapPtr(fd, 0, start, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
		return err
	})
	if err != nil {
		_ = unix.MunmapPtr(base, n+hugePage)
		return nil, fmt.Errorf("map %d bytes: %w", size, noSpace(err))
	}
	if before > 0 {
		_ = unix.MunmapPtr(base, before)
	}
	if behind := hugePage - before; behind > 0 {
		_ = unix.MunmapPtr(unsafe.Add(start, alignUp(uint64(n), uint64(os.Getpagesize()))), behind)
	}
	m := &mapping{mem: unsafe.Slice((*byte)(start), n)}
	m.cleanup = runtime.AddCleanup(m, func(start unsafe.Pointer) { _ = unix.MunmapPtr(start, n) }, start)
	return m, nil
}

// lockOnFault is mlock2.
func lockOnFault(mem []byte) error {
	_, _, err := unix.Syscall(unix.SYS_MLOCK2, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), uintptr(len(mem)), unix.MLOCK_ONFAULT)
	if err != 0 {
		return err
	}
	return nil
}

// touch reads a byte of each page, which maps it: the memory behind it is there.
func touch(mem []byte) {
	sum := byte(0)
	for i := 0; i < len(mem); i += os.Getpagesize() {
		sum += *(*byte)(unsafe.Pointer(&mem[i]))
	}
	runtime.KeepAlive(sum)
}
