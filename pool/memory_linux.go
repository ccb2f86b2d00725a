package pool

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const rlimitData = syscall.RLIMIT_DATA

// meter reads how much memory a process has.
type meter struct{ statm *os.File }

// newMeter is for a process that is not reaped yet: the number is its own.
func newMeter(pid int) (*meter, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return nil, err
	}
	return &meter{f}, nil
}

// resident is in bytes, without what is shared; 0 of a process that is gone.
func (m *meter) resident() int64 {
	b := make([]byte, 128)
	n, _ := m.statm.ReadAt(b, 0)
	// size resident shared text lib data dt, in pages
	field := strings.Fields(string(b[:n]))
	if len(field) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(field[1], 10, 64)
	shared, _ := strconv.ParseInt(field[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}

func (m *meter) close() {
	if m != nil {
		_ = m.statm.Close()
	}
}
