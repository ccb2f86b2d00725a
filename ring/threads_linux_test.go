package ring_test

import (
	"os"
	"strconv"
	"strings"
)

// threads is how many this process has.
func threads() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "Threads:")
	n, _ := strconv.Atoi(strings.Fields(after)[0])
	return n
}
