package segment

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapping maps the segment, for huge pages at an address where the kernel can map them as such.
func (want memory) mapping(f *os.File, size int64) (*mapping, error) {
	if want.huge {
		if size < hugePage {
			return nil, fmt.Errorf("huge pages of %d bytes in a segment of %d: %w", hugePage, size, ErrRefused)
		}
		return mapAligned(f, size)
	}
	return newMapping(f, size, false)
}

// provide has the first n bytes of the mapping lie in memory as it is wanted. What is not wanted is left to
// the first touch.
func (want memory) provide(f *os.File, m *mapping, n uint64) error {
	if want.huge || want.prefault {
		if err := commit(f, 0, int64(n)); err != nil {
			return err
		}
	}
	if want.huge {
		if err := collapse(m.mem[:n&^(hugePage-1)]); err != nil {
			return err
		}
	}
	if want.prefault {
		if err := populate(m.mem[:n]); err != nil {
			return err
		}
	}
	if want.locked {
		return lockMemory(m.mem)
	}
	return nil
}

// view is provide for a further mapping of what is committed. It may lie where huge pages cannot be mapped
// as such; the memory is the same.
func (want memory) view(m *mapping) error {
	if want.prefault {
		if err := populate(m.mem); err != nil {
			return err
		}
	}
	if want.locked {
		return lockMemory(m.mem)
	}
	return nil
}

// collapseTries is how often the kernel may say that it is busy with a page.
const collapseTries = 10

// collapse puts the bytes into huge pages, by MADV_COLLAPSE: it needs neither a pool of pages that was
// reserved before, as MFD_HUGETLB does, nor shmem_enabled, which is off on most machines and without which
// MADV_HUGEPAGE does nothing for shared memory. Others may be at work in it.
func collapse(mem []byte) error {
	for off := 0; off < len(mem); off += hugePage {
		err := unix.EAGAIN
		for try := 0; try < collapseTries && (err == unix.EAGAIN || err == unix.EBUSY || err == unix.EINTR); try++ {
			err = errno(unix.Madvise(mem[off:off+hugePage], unix.MADV_COLLAPSE))
		}
		switch err {
		case 0:
		case unix.EINVAL:
			return fmt.Errorf("huge pages: needs Linux 6.1 and transparent_hugepage/shmem_enabled other than deny: %w (%w)", ErrRefused, err)
		default:
			return fmt.Errorf("huge pages: none to be had at %d of %d bytes: %w (%w)", off, len(mem), ErrRefused, err)
		}
	}
	return nil
}

// errno is the system's number for err, 0 for none.
func errno(err error) unix.Errno {
	var n unix.Errno
	errors.As(err, &n)
	return n
}

// populate touches every page, so that nobody waits for the kernel at the first access.
func populate(mem []byte) error {
	for {
		switch err := unix.Madvise(mem, unix.MADV_POPULATE_WRITE); err {
		case nil:
			return nil
		case unix.EINTR, unix.EAGAIN:
		case unix.EINVAL: // before Linux 5.14
			touch(mem)
			return nil
		case unix.ENOMEM:
			return fmt.Errorf("prefault %d bytes: %w (%w)", len(mem), ErrNoSpace, err)
		default:
			return fmt.Errorf("prefault %d bytes: %w", len(mem), err)
		}
	}
}

// lockMemory keeps in memory what is there, and whatever comes there.
func lockMemory(mem []byte) error {
	err := lockOnFault(mem)
	switch err {
	case nil:
		return nil
	case unix.ENOSYS:
		return fmt.Errorf("lock %d bytes in memory: needs Linux 4.4: %w", len(mem), ErrUnsupported)
	case unix.EPERM, unix.ENOMEM, unix.EAGAIN:
		var limit unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
			return fmt.Errorf("lock %d bytes in memory, the limit (RLIMIT_MEMLOCK) is %d: %w (%w)", len(mem), limit.Cur, ErrRefused, err)
		}
	}
	return fmt.Errorf("lock %d bytes in memory: %w (%w)", len(mem), ErrRefused, err)
}
