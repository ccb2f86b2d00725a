//go:build linux || darwin

package segment

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapTwice reserves address space for both copies and puts the file over each half.
func mapTwice(f *os.File, off, n uint64, readOnly bool) (*mapping, error) {
	size := uintptr(2 * n)
	if uint64(size) != 2*n {
		return nil, fmt.Errorf("%d bytes twice: %w", n, ErrSize)
	}
	var base unsafe.Pointer
	err := reserve(func() (err error) {
		base, err = unix.MmapPtr(-1, 0, nil, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes: %w", size, noSpace(err))
	}
	prot := unix.PROT_READ | unix.PROT_WRITE
	if readOnly {
		prot = unix.PROT_READ
	}
	for _, half := range []uintptr{0, uintptr(n)} {
		if err := onDescriptor(f, func(fd int) error {
			_, err := unix.MmapPtr(fd, int64(off), unsafe.Add(base, half), uintptr(n), prot, unix.MAP_SHARED|unix.MAP_FIXED)
			return err
		}); err != nil {
			_ = unix.MunmapPtr(base, size)
			return nil, fmt.Errorf("map %d bytes: %w", n, noSpace(err))
		}
	}
	m := &mapping{mem: unsafe.Slice((*byte)(base), size)}
	runtime.AddCleanup(m, func(base unsafe.Pointer) { _ = unix.MunmapPtr(base, size) }, base)
	return m, nil
}
