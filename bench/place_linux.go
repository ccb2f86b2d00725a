package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const canPin = true

// allowedCPUs returns the CPUs in this process's affinity, in order.
func allowedCPUs() ([]CPU, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus []CPU
	for id := range len(set) * 64 {
		if set.IsSet(id) {
			cpus = append(cpus, CPU{ID: id, Core: topology(id, "core_id", id), Package: topology(id, "physical_package_id", 0)})
		}
	}
	return cpus, nil
}

// topology reads one number about a CPU; a machine that does not tell gets the default.
func topology(cpu int, file string, otherwise int) int {
	b, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/%s", cpu, file))
	if err != nil {
		return otherwise
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// bind binds the calling thread to a CPU. It reports false on the process's main thread, whose affinity stands for the
// process's: bound, it would tell everybody that polling for another process is useless.
func bind(cpu int) (bool, error) {
	if unix.Gettid() == unix.Getpid() {
		return false, nil
	}
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return true, fmt.Errorf("sched_setaffinity to CPU %d: %w", cpu, err)
	}
	return true, nil
}

// confine binds the whole process to a CPU, the threads that it starts later included: the library sees that polling
// for another process is of no use here.
func confine(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
			return fmt.Errorf("sched_setaffinity of thread %d to CPU %d: %w", tid, cpu, err)
		}
	}
	return nil
}

// cpuModel names the CPU, as far as the system tells.
func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	said := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			said[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	name := said["model name"]
	switch {
	case name == "":
		return "unknown"
	case said["cpu family"] != "":
		name += " (family " + said["cpu family"] + ")"
	}
	if strings.Contains(" "+said["flags"]+" ", " hypervisor ") {
		name += ", virtual"
	}
	return name
}

// kernel names the kernel and its version.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// load is how many threads wanted a CPU in the last minute, on average: above a few tenths, the machine is not quiet.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// mostResident is the most bytes that this process had resident at once. (The kernel's rusage says it for a process and
// those before it that called exec, of which one is the parent.)
func mostResident() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), "\nVmHWM:")
	words := strings.Fields(after)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(words[0], 10, 64)
	return n << 10
}
