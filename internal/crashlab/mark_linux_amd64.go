package crashlab

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

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

// Mark is where the operation of a Foreign victim begins and ends. In a process that the lab has no hold
// of it is fatal.
func Mark() { mark() }

// Thread is the number of the calling thread.
func Thread() int { return unix.Gettid() }
