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
}

// usage is that of this process and of its children that have ended.
func usage() Usage {
	u := usageOf(unix.RUSAGE_SELF)
	c := usageOf(unix.RUSAGE_CHILDREN)
	return Usage{u.CPU + c.CPU, u.Switches + c.Switches}
}

func usageOf(who int) Usage {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		return Usage{}
	}
	return Usage{time.Duration(u.Utime.Nano() + u.Stime.Nano()), int64(u.Nvcsw) + int64(u.Nivcsw)}
}

// ended is the usage of a process that has ended, and of those that it has waited for.
func ended(s *os.ProcessState) Usage {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return Usage{}
	}
	return Usage{s.UserTime() + s.SystemTime(), int64(u.Nvcsw) + int64(u.Nivcsw)}
}

// A Cost is what an operation costs the machine, both sides together: CPU time in nanoseconds, and switches of context.
type Cost struct{ CPU, Switches float64 }

// per is the cost of one of the job's operations. Those of the warm-up have cost the same; what the processes cost to
// start is spread over all.
func (u Usage) per(j Job) Cost {
	n := float64(j.N + j.Warm)
	return Cost{float64(u.CPU) / n, float64(u.Switches) / n}
}

// typical is the median of each.
func typical(all []Cost) *Cost {
	if len(all) == 0 {
		return nil
	}
	var cpu, switches []float64
	for _, c := range all {
		cpu, switches = append(cpu, c.CPU), append(switches, c.Switches)
	}
	return &Cost{median(cpu), median(switches)}
}
