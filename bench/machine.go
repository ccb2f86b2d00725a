package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// A Machine is what a session was measured on, and by what.
type Machine struct {
	System     string // operating system, architecture, and kernel
	CPU        string
	CPUs       int    // that the process may use
	Placement  string // of the two sides
	Go         string
	References string // the compilers and interpreters of the references
	Load       string // how many threads wanted a CPU before
	When       time.Time
	Runs       int  // of each row, at most
	Quick      bool // a tenth of the operations
}

// machine describes the runner's.
func (r *runner) machine(ctx context.Context) Machine {
	return Machine{
		System: fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, kernel()), CPU: cpuModel(), CPUs: r.cpus,
		Placement: describe(r.a, r.b), Go: runtime.Version(), References: r.refs.versions(ctx), Load: load(),
		When: time.Now().UTC().Truncate(time.Second), Runs: r.runs, Quick: r.divide > 1,
	}
}

// is reports whether m is the same machine as other, with the same programs on it, whenever that was.
func (m Machine) is(other Machine) bool {
	other.Load, other.When, other.Runs = m.Load, m.When, m.Runs
	return m == other
}

// String is the machine in one line.
func (m Machine) String() string {
	return fmt.Sprintf("%s; %s, %d CPUs, %s; %s; load before the run %s; %s",
		m.System, m.CPU, m.CPUs, m.Placement, m.Go, m.Load, m.When.Format(time.DateTime))
}

// heading is what stands above a table: what was measured on, and what the figures are.
func (m Machine) heading() string {
	look := ""
	if m.Quick {
		look = ", each of a tenth of the operations: a look, not a figure"
	}
	return fmt.Sprintf("%v\n%s\nmedian of %d runs%s; ratio: ours divided by the reference, the median of the runs'\n", m, m.References, m.Runs, look)
}
