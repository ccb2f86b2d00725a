// Package cgroup finds the control groups of this process in the file system, of either version. Where there is no
// /proc as Linux has it, there are none.
package cgroup

import (
	"os"
	"path"
	"slices"
	"strings"
)

// Group is a control group of this process, as one mount of its hierarchy shows it.
type Group struct {
	V2 bool // of the second version, which has one hierarchy for all controllers

	// Dirs are the group's own directory and then, upwards, those of the groups above it, as far as the mount shows
	// them: in a container, that may be its own part of the hierarchy. Another mount may hide them all.
	Dirs []string
}

// Own are the groups that may be a controller's ("cpu", "memory"): that of the hierarchy of the first version which
// has the controller, and that of the second version, whose files tell whether it has it.
func Own(controller string) []Group {
	groups, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return Find(string(groups), string(mounts), controller)
}

// Find is Own after the texts of /proc/self/cgroup and /proc/self/mountinfo.
func Find(groups, mounts, controller string) (found []Group) {
	for line := range strings.Lines(groups) {
		// hierarchy:controllers:path
		field := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(field) != 3 {
			continue
		}
		v2 := field[0] == "0" && field[1] == ""
		if !v2 && !hasWord(field[1], controller) {
			continue
		}
		for line := range strings.Lines(mounts) {
			root, point, ok := mount(line, v2, controller)
			if !ok {
				continue
			}
			if dirs := upwards(root, point, field[2]); dirs != nil {
				found = append(found, Group{v2, dirs})
			}
		}
	}
	return found
}

// unescape undoes what mountinfo does to paths.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`).Replace

// mount is what a line of mountinfo mounts, and where, if it is the second version's hierarchy, or that of the first
// version that has the controller.
func mount(line string, v2 bool, controller string) (root, point string, ok bool) {
	// id parent device root point options tags... - type source options
	before, after, _ := strings.Cut(line, " - ")
	field, kind := strings.Fields(before), strings.Fields(after)
	if len(field) < 5 || len(kind) < 3 {
		return "", "", false
	}
	if v2 {
		ok = kind[0] == "cgroup2"
	} else {
		ok = kind[0] == "cgroup" && hasWord(kind[2], controller)
	}
	return unescape(field[3]), unescape(field[4]), ok
}

// upwards are the directories of a group and of those above it, at the point where the hierarchy is mounted from root
// on; none if the group is not below root.
func upwards(root, point, group string) (dirs []string) {
	below, ok := strings.CutPrefix(group, strings.TrimSuffix(root, "/"))
	if !ok || below != "" && below[0] != '/' {
		return nil
	}
	if strings.HasPrefix(below+"/", "/../") {
		return nil // of a process outside the namespace that root is named in
	}
	for at := path.Clean("/" + below); ; at = path.Dir(at) {
		dirs = append(dirs, path.Join(point, at))
		if at == "/" {
			return dirs
		}
	}
}

func hasWord(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }
