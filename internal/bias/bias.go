// Package bias has what is common to those who earn a bias: a goroutine that uses something all the time is
// let off the locked instructions, announces what it does by plain stores to a word of its own (a mark), and looks whether the
// bias is still there. Whoever else wants the thing takes the bias away, executes a fence on all CPUs, and then looks at
// the mark: either the one sees that the bias is gone, or the other sees the mark. (Dice and others, "Quickly
// Reacquirable Locks"; Dice and Kogan, "BRAVO: Biased Locking for Reader-Writer Locks".)
//
// A mark is that of a stack, for a goroutine has no name that it could look up as quickly. A stack is one
// goroutine's at a time, and between the look at its address and the last store to the mark nothing may be called
// that could have it move; so all stores to a mark are in the order of one program, whatever goroutine is on that
// stack by then. For the same reason a mark is never given to another stack: somebody may have been interrupted
// right before he set it.
package bias

import (
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Enabled is whether there are biases: a plain store must publish, and the compiler be let alone between two.
const Enabled = futex.Asymmetric && !word.Modelled

// Inlined is whether the compiler was: a call, of which there are some in a build with -l or -N, may have the stack move.
var Inlined = func() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return true // a build without modules
	}
	for _, s := range info.Settings {
		if s.Key == "-gcflags" && slices.ContainsFunc(strings.FieldsFunc(s.Value, func(r rune) bool { return strings.ContainsRune(` ='"`, r) }),
			func(flag string) bool { return flag == "-l" || flag == "-N" }) {
			return false
		}
	}
	return true
}()

// A bias that is taken away costs both sides as much as some thousand locks. If it did not serve as often as makes
// up for that, the next one takes twice as much to earn. Tests have it cheaper.
var (
	FirstEarns uint64 = 1 << 10
	MostEarns  uint64 = 1 << 20
	Worth      uint64 = 1 << 14
)

// Price is how often in a row one must use a thing to earn a bias. Its zero is ready.
type Price struct{ earns atomic.Uint64 }

// Is returns the price of now.
func (p *Price) Is() uint64 { return max(p.earns.Load(), FirstEarns) }

// Revoked takes note of the end of a bias that served so often.
func (p *Price) Revoked(served uint64) {
	if served >= Worth {
		p.earns.Store(FirstEarns)
		return
	}
	p.earns.Store(min(2*p.Is(), MostEarns))
}

// Place is one of 1<<bits places, that of the stack (Fibonacci hashing).
func Place(stack uintptr, bits int) uint64 { return uint64(stack) * 0x9e3779b97f4a7c15 >> (64 - bits) }

// Fence executes a fence on all CPUs, or waits for as long as a store may be on its way.
func Fence() {
	if !futex.Barrier() {
		time.Sleep(time.Millisecond) // see futex.Event.Demand
	}
}
