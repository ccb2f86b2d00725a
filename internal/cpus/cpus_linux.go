package cpus

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kindred-ipc/kindred/internal/cgroup"
)

func allowed(n int) int { return min(n, smallest(cgroup.Own("cpu"))) }

// none is the quota of a group that has none: more than there are CPUs.
const none = math.MaxInt

// smallest is the smallest quota of the groups and those above them: each holds for all below it.
func smallest(groups []cgroup.Group) int {
	n := none
	for _, g := range groups {
		files := []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
		if g.V2 {
			files = []string{"cpu.max"} // both in one
		}
		for _, dir := range g.Dirs {
			n = min(n, quota(dir, files))
		}
	}
	return n
}

// quota is how many CPUs the group of that directory may use, rounded up, after the files that have its quota and the
// period. What cannot be read is none.
func quota(dir string, files []string) int {
	var text strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return none
		}
		text.Write(append(b, ' '))
	}
	field := strings.Fields(text.String())
	if len(field) != 2 {
		return none
	}
	// 62 bits, so that rounding up does not overflow. Neither max nor -1, which are none, is such a number.
	quota, err := strconv.ParseUint(field[0], 10, 62)
	period, perr := strconv.ParseUint(field[1], 10, 62)
	if err != nil || perr != nil || period == 0 {
		return none
	}
	return int(min((quota+period-1)/period, none))
}
