//go:build linux || darwin

package segment

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cutLoose puts private zero pages over the whole range: no store of this process reaches the
// segment after it, and a call that is under way meets zeros instead of a fault.
func (m *mapping) cutLoose() error {
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(unsafe.SliceData(m.mem)), uintptr(len(m.mem)),
		unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_FIXED|unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("map zero pages: %w", err)
	}
	return nil
}
