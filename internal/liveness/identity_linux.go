package liveness

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Self is the identity of this process. Start is in the kernel's ticks since boot.
func Self() Identity {
	if word.Modelled {
		if m := word.Current(); m != nil {
			pid, namespace := m.Self()
			return Identity{Pid: pid, Namespace: namespace}
		}
	}
	id := Identity{Pid: uint32(os.Getpid())}
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) == nil {
		id.Namespace = st.Ino
	}
	id.Start = startTime("/proc/self/stat")
	return id
}

// startTime is field 22 of stat, counted from behind the command's name, which may hold spaces and
// parentheses.
func startTime(path string) uint64 {
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const start = 22 - 3
	if len(fields) <= start {
		return 0
	}
	ticks, err := strconv.ParseUint(string(fields[start]), 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}
