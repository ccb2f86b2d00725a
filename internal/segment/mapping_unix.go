//go:build linux || darwin

package segment

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

func newMapping(f *os.File, size int64, readOnly bool) (*mapping, error) {
	if int64(int(size)) != size {
		return nil, fmt.Errorf("%d bytes are beyond the address space: %w", size, ErrSize)
	}
	prot := mmap.RDWR
	if readOnly {
		prot = mmap.RDONLY
	}
	var mem mmap.MMap
	err := reserve(func() (err error) {
		mem, err = mmap.MapRegion(f, int(size), prot, 0, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, noSpace(err))
	}
	m := &mapping{mem: mem}
	m.cleanup = runtime.AddCleanup(m, func(mem mmap.MMap) { _ = mem.Unmap() }, mem)
	return m, nil
}

// reserve calls take, which takes address space. Ranges that nobody uses any more wait for the
// collector, so where there is none left (4 GiB are soon gone), it is called first.
func reserve(take func() error) error {
	err := take()
	for tries := 0; errors.Is(err, unix.ENOMEM) && tries < 3; tries++ {
		runtime.GC()
		time.Sleep(time.Millisecond) // cleanups run after it, on a goroutine of their own
		err = take()
	}
	return err
}

// unmap gives the range back at once. Nobody may hold an address in it.
func (m *mapping) unmap() error {
	m.cleanup.Stop()
	mem := mmap.MMap(m.mem)
	m.mem = nil
	return mem.Unmap()
}
