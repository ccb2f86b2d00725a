package pool

import (
	"os"
	"path"
	"strings"
)

// systemOOM finds the counter of this process's control group. Memory may be the business of the first version's
// hierarchy or of the second's; a kernel before 5.2 has no memory.events.local.
func systemOOM() oomCounter {
	groups, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, file := range oomFiles(string(groups), string(mounts)) {
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

// oomFiles are the files that may have the counter, the best first, after /proc/self/cgroup and
// /proc/self/mountinfo.
func oomFiles(groups, mounts string) (files []string) {
	for line := range strings.Lines(groups) {
		// hierarchy:controllers:path
		field := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(field) != 3 {
			continue
		}
		switch {
		case hasWord(field[1], "memory"):
			for _, dir := range groupDirs(mounts, "cgroup", field[2]) {
				files = append(files, dir+"/memory.oom_control")
			}
		case field[0] == "0" && field[1] == "":
			for _, dir := range groupDirs(mounts, "cgroup2", field[2]) {
				files = append(files, dir+"/memory.events.local", dir+"/memory.events")
			}
		}
	}
	return files
}

// groupDirs are the places where the group of that path may be mounted. A mount may show a part of the hierarchy
// only, from its root on.
func groupDirs(mounts, fstype, group string) (dirs []string) {
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		field, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(field) < 5 || len(kind) < 3 || kind[0] != fstype {
			continue
		}
		if fstype == "cgroup" && !hasWord(kind[2], "memory") {
			continue
		}
		root, point := field[3], field[4]
		if below, ok := strings.CutPrefix(group, strings.TrimSuffix(root, "/")); ok && (below == "" || below[0] == '/') {
			dirs = append(dirs, path.Join(point, below))
		}
	}
	return dirs
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
