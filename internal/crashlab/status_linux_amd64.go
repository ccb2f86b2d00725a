package crashlab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// status is what the kernel says of a thread, as in /proc/PID/task/TID/status: a field in each line. It is empty if the thread is not there.
type status string

func statusOf(pid, thread int) status {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, thread))
	if err != nil {
		return ""
	}
	return status("\n" + string(text))
}

func (s status) field(name string) string {
	_, after, _ := strings.Cut(string(s), "\n"+name+":")
	value, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(value)
}

// tracer is the thread that traces this one, or 0.
func (s status) tracer() int {
	id, _ := strconv.Atoi(s.field("TracerPid"))
	return id
}

// sleeps reports whether the thread sleeps in the kernel.
func (s status) sleeps() bool { return strings.HasPrefix(s.field("State"), "S") }

// ended reports whether the thread has come to its end, waited for or not.
func (s status) ended() bool {
	state := s.field("State")
	return state == "" || state[0] == 'Z' || state[0] == 'X'
}

// switches is how often the thread went to sleep, and was made to wait.
func (s status) switches() string {
	return s.field("voluntary_ctxt_switches") + " " + s.field("nonvoluntary_ctxt_switches")
}
