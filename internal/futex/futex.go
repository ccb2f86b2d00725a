package futex

import (
	"errors"
	"sync/atomic"
	"time"
)

// ErrUnsupported says that this platform has no wait on a word of shared memory.
var ErrUnsupported = errors.New("futex: not supported on this platform")

// Outcome says why a wait returned. Only TimedOut and Poked carry a promise; the other two mean
// "look again".
type Outcome int

const (
	// Woken: a wake, a signal, or nothing at all ended the wait.
	Woken Outcome = iota
	// Changed: the word did not hold the value when the kernel looked.
	Changed
	// TimedOut: the time is over.
	TimedOut
	// Poked: the Sleeper was poked before or during the wait.
	Poked
)

// Supported reports whether this platform can wait on a word of shared memory.
func Supported() bool { return supported }

// Wait sleeps while *word holds val, for at most d (negative: without end). It blocks the calling
// goroutine's thread. The word may be shared with other processes.
func Wait(word *atomic.Uint32, val uint32, d time.Duration) Outcome {
	return wait(word, val, d)
}

// Wake wakes at most n sleepers on word, in whatever process they are, and says how many there
// were where the system tells (macOS does not: it reports 0 or 1). It does not block.
func Wake(word *atomic.Uint32, n int) int {
	return wake(word, n)
}

// All is a count for Wake that stands for every sleeper.
const All = 1<<31 - 1
