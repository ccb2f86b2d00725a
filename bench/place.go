package main

import (
	"fmt"
	"runtime"
)

// A Place says where the two sides of a row run.
type Place int

const (
	OneCPU      Place = iota // one process measures, on the first CPU
	TwoCPUs                  // one side on each of two CPUs, of different cores where there are such
	SameCPU                  // both sides on the first CPU
	OwnCPUs                  // as TwoCPUs, but each process is confined to its CPU as a whole
	Free                     // all threads where the system puts them
	CallerBound              // the caller on the first CPU, the other side where the system puts it, for which a CPU is left
)

// A CPU is one that this process may use. Two with the same core are siblings: they share its caches and its units.
type CPU struct{ ID, Core, Package int }

// choose picks the CPUs of the two sides: the first that we may use, and beside it one of another core in the same
// package if there is one, else another core, else a sibling. ok is false where there is but one.
func choose(cpus []CPU) (a, b CPU, ok bool) {
	if len(cpus) == 0 {
		return CPU{}, CPU{}, false
	}
	a, b = cpus[0], cpus[0]
	best := -1
	for _, c := range cpus[1:] {
		score := 0
		switch {
		case c.Package == a.Package && c.Core != a.Core:
			score = 2
		case c.Package != a.Package:
			score = 1
		}
		if score > best {
			b, best = c, score
		}
	}
	return a, b, best >= 0
}

// describe says what two CPUs are to each other.
func describe(a, b CPU) string {
	switch {
	case a.ID == b.ID:
		return fmt.Sprintf("CPU %d", a.ID)
	case a.Package != b.Package:
		return fmt.Sprintf("CPU %d and %d, two packages", a.ID, b.ID)
	case a.Core != b.Core:
		return fmt.Sprintf("CPU %d and %d, two cores", a.ID, b.ID)
	}
	return fmt.Sprintf("CPU %d and %d, siblings of one core", a.ID, b.ID)
}

// text is the placement as the table shows it.
func (p Place) text(a, b CPU) string {
	if !canPin {
		return "free: " + runtime.GOOS + " does not pin"
	}
	switch p {
	case OneCPU:
		return fmt.Sprintf("CPU %d", a.ID)
	case SameCPU:
		return fmt.Sprintf("both on CPU %d", a.ID)
	case OwnCPUs:
		return describe(a, b) + ", each process confined to its own"
	case Free:
		return "free"
	case CallerBound:
		return fmt.Sprintf("caller on CPU %d, worker free; C on %d and %d", a.ID, a.ID, b.ID)
	}
	return describe(a, b)
}

// pinned runs f on a thread of its own that is bound to a CPU and ends with f. The process's other threads stay free:
// the runtime starts none from a locked thread, so none inherits this. f must not start processes, which would.
func pinned[T any](cpu int, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread ends with this goroutine
		var o outcome
		bound, err := bind(cpu)
		switch {
		case err != nil:
			o.err = err
		case bound:
			o.value, o.err = f()
		default: // on the main thread: held here, it cannot be the next one's
			o.value, o.err = pinned(cpu, f)
			runtime.UnlockOSThread()
		}
		done <- o
	}()
	o := <-done
	return o.value, o.err
}

// placed runs f on the CPU of one of a row's sides: in a process that is confined to it as a whole, where the row wants that, and else on
// a thread of its own. (A confined process has nothing to gain from such a thread, and pays for each time that the runtime takes it away.)
func placed[T any](j Job, cpu int, f func() (T, error)) (none T, err error) {
	if !j.Confined {
		return pinned(cpu, f)
	}
	if err := confine(cpu); err != nil {
		return none, err
	}
	return f()
}

// needsTwo reports whether the two sides would be in each other's way on one CPU.
func (p Place) needsTwo() bool { return p == TwoCPUs || p == OwnCPUs || p == CallerBound }
