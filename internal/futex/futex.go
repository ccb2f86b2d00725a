package futex

import (
	"errors"
	"time"

	"github.com/kindred-ipc/kindred/internal/word"
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

// Wait sleeps while *w holds val, for at most d (negative: without end). It blocks the calling
// goroutine's thread. The word may be shared with other processes.
func Wait(w *word.Uint32, val uint32, d time.Duration) Outcome {
	return wait(word.Plain(w), val, d)
}

// Wake wakes at most n sleepers on w, in whatever process they are, and says how many there
// were where the system tells (macOS does not: it reports 0 or 1). It does not block.
func Wake(w *word.Uint32, n int) int {
	if word.Modelled {
		if m := word.Current(); m != nil {
			return m.Wake(w, n)
		}
	}
	return wake(word.Plain(w), n)
}

// All is a count for Wake that stands for every sleeper.
const All = 1<<31 - 1
