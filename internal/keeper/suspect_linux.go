package keeper

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// mostElders is how far up this process's ancestors are looked at.
const mostElders = 64

// stoppedElder is the nearest of this process's ancestors, up to the keeper, that is stopped, 0 if none is.
func stoppedElder(keeper int) int {
	for pid, n := os.Getppid(), 0; pid > 1 && n < mostElders; n++ {
		parent, stopped := lookAt(pid)
		if stopped {
			return pid
		}
		if pid == keeper {
			break
		}
		pid = parent
	}
	return 0
}

// lookAt is the parent of a process, and whether that is stopped, by a signal or a debugger.
func lookAt(pid int) (parent int, stopped bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// Behind the name, which may hold anything.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return parent, fields[0][0] == 'T' || fields[0][0] == 't'
}
