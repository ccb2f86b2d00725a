//go:build !interleave

package word

import (
	"sync"
	"sync/atomic"
	"time"
)

// Modelled is whether a model may stand for the kernel in this build.
const Modelled = false

// Words that processes share.
type (
	Uint32 = atomic.Uint32
	Uint64 = atomic.Uint64
	Int64  = atomic.Int64
)

// Mutex is a lock between goroutines of one process that is held across accesses to shared words.
type Mutex = sync.Mutex

// Current is the model in force, or nil.
func Current() Model { return nil }

// Mark and Carry are for loops that wait: at the head of each turn, Carry says what the loop has
// carried over since Mark, which a model takes for all that the goroutine remembers of what it has
// read meanwhile. Without that, no two turns would be alike.
func Mark() uint64            { return 0 }
func Carry(uint64, ...uint64) {}

// Now is time.Now, which stands still in a model, and Since is time.Since, which a model decides.
func Now() time.Time                  { return time.Now() }
func Since(t time.Time) time.Duration { return time.Since(t) }

// Plain is w for a caller that passes it to the kernel.
func Plain(w *Uint32) *atomic.Uint32 { return w }

// inlined makes the compiler hand the bodies of these methods on: it does so for the functions of
// other packages only if they were inlined here, and whoever imports this package instead of
// sync/atomic would call them otherwise.
func inlined(a *Uint32, b *Uint64, c *Int64) {
	a.Store(a.Load() + a.Swap(a.Add(a.And(a.Or(1)))))
	b.Store(b.Load() + b.Swap(b.Add(b.And(b.Or(1)))))
	c.Store(c.Load() + c.Swap(c.Add(1)))
	_ = a.CompareAndSwap(0, 1) && b.CompareAndSwap(0, 1) && c.CompareAndSwap(0, 1)
}

var _ = inlined
