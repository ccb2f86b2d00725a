package liveness

import (
	"bytes"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pathOf asks the kernel for a path of f's file.
func pathOf(f *os.File) (string, error) {
	path := make([]byte, unix.PathMax)
	// The address goes to the kernel as a number, so nothing else would keep the bytes in place.
	var pin runtime.Pinner
	pin.Pin(&path[0])
	defer pin.Unpin()
	err := withFd(f, func(fd uintptr) error {
		_, err := unix.FcntlInt(fd, unix.F_GETPATH, int(uintptr(unsafe.Pointer(&path[0]))))
		return err
	})
	if err != nil {
		return "", err
	}
	path, _, _ = bytes.Cut(path, []byte{0})
	return string(path), nil
}
