package corruption

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// moat makes the next mappings of these sizes lie beside memory that nobody may touch: it fills the
// holes of those sizes in the address space. The system puts what fits into no hole below all else.
func moat(sizes ...int) error {
	for _, size := range sizes {
		for range 32 {
			if _, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE); err != nil {
				return fmt.Errorf("moat: %w", err)
			}
		}
	}
	return nil
}

// guardSize is how far from the mapping an access may be and is still sure to be a fault, if there is
// as much room.
const guardSize = 64 << 20

// guard sees to it that what lies on both sides of each of this process's mappings of a file is
// memory that nobody may touch, and says on how many sides it does.
func guard(path string) (sides int, err error) {
	all, err := mappings()
	if err != nil {
		return 0, err
	}
	for i, m := range all {
		if m.path != path {
			continue
		}
		if i == 0 || all[i-1].end != m.start || all[i-1].path != path {
			if err := fence(m.start, true, i > 0 && all[i-1].end == m.start && all[i-1].closed); err != nil {
				return 0, fmt.Errorf("before %#x: %w", m.start, err)
			}
			sides++
		}
		if i == len(all)-1 || all[i+1].start != m.end || all[i+1].path != path {
			if err := fence(m.end, false, i < len(all)-1 && all[i+1].start == m.end && all[i+1].closed); err != nil {
				return 0, fmt.Errorf("behind %#x: %w", m.end, err)
			}
			sides++
		}
	}
	if sides == 0 {
		return 0, errors.New("no mapping to guard")
	}
	return sides, nil
}

// fence puts untouchable memory before or behind an address, unless there is some.
func fence(at uintptr, before, there bool) (err error) {
	if there {
		return nil
	}
	flags := unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_NORESERVE | unix.MAP_FIXED_NOREPLACE
	for size := uintptr(guardSize); size >= 4096; size /= 4 {
		from := at
		if before {
			from -= size
		}
		if _, err = unix.MmapPtr(-1, 0, unsafe.Add(unsafe.Pointer(nil), from), size, unix.PROT_NONE, flags); err == nil {
			return nil
		}
	}
	return err
}

// mapped is a line of /proc/self/maps.
type mapped struct {
	start, end uintptr
	closed     bool // for reading, writing and executing
	path       string
}

func mappings() (all []mapped, err error) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		from, to, _ := strings.Cut(fields[0], "-")
		start, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return nil, err
		}
		end, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			return nil, err
		}
		m := mapped{start: uintptr(start), end: uintptr(end), closed: strings.HasPrefix(fields[1], "---")}
		if len(fields) > 5 {
			m.path = strings.Join(fields[5:], " ")
		}
		all = append(all, m)
	}
	return all, lines.Err()
}
