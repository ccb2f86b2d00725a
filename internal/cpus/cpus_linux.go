package cpus

import (
	"os"
	"strconv"
	"strings"
)

// allowed takes the quota of the control group into account, as far as it is visible: the process's
// own group, mounted at the usual place.
func allowed(n int) int {
	text, err := os.ReadFile("/sys/fs/cgroup/cpu.max")
	if err != nil {
		return n
	}
	quota, period, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !ok || quota == "max" {
		return n
	}
	q, qerr := strconv.ParseFloat(quota, 64)
	p, perr := strconv.ParseFloat(period, 64)
	if qerr != nil || perr != nil || p <= 0 {
		return n
	}
	return min(n, int(q/p+0.999))
}
