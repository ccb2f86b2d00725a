package pool

import (
	"os"

	"github.com/kindred-ipc/kindred/internal/cgroup"
)

// systemOOM finds the counter of this process's control group.
func systemOOM() oomCounter {
	for _, file := range oomFiles(cgroup.Own("memory")) {
		if _, ok := oomKillsIn(file); ok {
			return func() (uint64, bool, bool) {
				n, ok := oomKillsIn(file)
				return n, true, ok
			}
		}
	}
	return func() (uint64, bool, bool) {
		n, ok := oomKillsIn("/proc/vmstat")
		return n, false, ok
	}
}

func oomKillsIn(file string) (uint64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	return oomKills(string(text))
}

// oomFiles are the files that may have the counter, the best first. Memory may be the business of the first version's
// hierarchy or of the second's; a kernel before 5.2 has no memory.events.local.
func oomFiles(groups []cgroup.Group) (files []string) {
	for _, g := range groups {
		own := g.Dirs[0]
		if g.V2 {
			files = append(files, own+"/memory.events.local", own+"/memory.events")
		} else {
			files = append(files, own+"/memory.oom_control")
		}
	}
	return files
}
