package main

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what this process has used of the CPUs so far.
func cpuTime() time.Duration { return usageOf(unix.RUSAGE_SELF).CPU }

// Usage is what processes have cost the machine.
type Usage struct {
	CPU      time.Duration
	Switches int64 // of context, voluntary and not
	Memory   int64 // the most bytes that were resident at once, 0 where nobody says
}

// usage is that of this process and of its children that have ended; the memory is this process's own.
func usage() Usage {
	u := usageOf(unix.RUSAGE_SELF)
	c := usageOf(unix.RUSAGE_CHILDREN)
	return Usage{u.CPU + c.CPU, u.Switches + c.Switches, mostResident()}
}

func usageOf(who int) Usage {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		return Usage{}
	}
	return Usage{CPU: time.Duration(u.Utime.Nano() + u.Stime.Nano()), Switches: int64(u.Nvcsw) + int64(u.Nivcsw)}
}

// ended is the usage of a process that has ended, and of those that it has waited for, but for the memory: of that the
// kernel's rusage says the most that either the process had or who called its exec.
func ended(s *os.ProcessState) Usage {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return Usage{}
	}
	return Usage{CPU: s.UserTime() + s.SystemTime(), Switches: int64(u.Nvcsw) + int64(u.Nivcsw)}
}

// A Cost is what an operation costs the machine, both sides together: CPU time in nanoseconds, and switches of context.
// The memory, in bytes, is the measuring process's, and not an operation's.
type Cost struct{ CPU, Switches, Memory float64 }

// per is the cost of one of the job's operations. Those of the warm-up have cost the same; what the processes cost to
// start is spread over all.
func (u Usage) per(j Job) Cost {
	n := float64(j.N + j.Warm)
	return Cost{float64(u.CPU) / n, float64(u.Switches) / n, float64(u.Memory)}
}

// typical is the median of each.
func typical(all []Cost) *Cost {
	if len(all) == 0 {
		return nil
	}
	var cpu, switches, memory []float64
	for _, c := range all {
		cpu, switches, memory = append(cpu, c.CPU), append(switches, c.Switches), append(memory, c.Memory)
	}
	return &Cost{median(cpu), median(switches), median(memory)}
}
