package ring_test

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// confine has all threads of this process run on CPU 0 alone, those to come included.
func confine() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(0)
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil {
			return err
		}
	}
	return nil
}
