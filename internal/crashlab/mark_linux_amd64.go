package crashlab

import "sync/atomic"

// trap stops a traced process; the tracer sees the instruction behind the trap. In a process that
// nobody traces it is fatal.
func trap()

// loose is set by the lab, from outside, when it lets a victim go on by itself.
var loose atomic.Uint32

// mark is where an operation begins and ends.
func mark() {
	if loose.Load() == 0 {
		trap()
	}
}
