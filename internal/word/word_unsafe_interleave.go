//go:build interleave

package word

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Modelled is whether a model may stand for the kernel in this build.
const Modelled = true

// current is set and unset while no modelled process runs. Without a model, everything here is what
// it is in a normal build.
var current Model

// Current is the model in force, or nil.
func Current() Model { return current }

// Enter puts m in force, nil for none. No code may run meanwhile that uses shared words.
func Enter(m Model) { current = m }

// Mark and Carry are for loops that wait: at the head of each turn, Carry says what the loop has
// carried over since Mark, which a model takes for all that the goroutine remembers of what it has
// read meanwhile. Without that, no two turns would be alike.
func Mark() uint64 {
	if current == nil {
		return 0
	}
	return current.Mark()
}

func Carry(mark uint64, values ...uint64) {
	if current != nil {
		current.Carry(mark, values)
	}
}

// Now is time.Now, which stands still in a model, and Since is time.Since, which a model decides.
func Now() time.Time {
	if current == nil {
		return time.Now()
	}
	return time.Unix(1, 0)
}

func Since(t time.Time) time.Duration {
	switch {
	case current == nil:
		return time.Since(t)
	case current.Late():
		return time.Hour
	default:
		return 0
	}
}

// Uint32 is a word of 32 bits.
type Uint32 struct{ v atomic.Uint32 }

// Plain is w for a caller that passes it to the kernel.
func Plain(w *Uint32) *atomic.Uint32 { return &w.v }

func (x *Uint32) access(op Operation, a, b uint32) (uint32, bool) {
	old, ok := current.Access(unsafe.Pointer(x), 4, op, uint64(a), uint64(b))
	return uint32(old), ok
}

// Load is that of atomic.Uint32, as the other methods are.
func (x *Uint32) Load() uint32 {
	if current == nil {
		return x.v.Load()
	}
	old, _ := x.access(Load, 0, 0)
	return old
}

func (x *Uint32) Store(v uint32) {
	if current == nil {
		x.v.Store(v)
		return
	}
	x.access(Store, v, 0)
}

func (x *Uint32) Add(delta uint32) uint32 {
	if current == nil {
		return x.v.Add(delta)
	}
	old, _ := x.access(Add, delta, 0)
	return old + delta
}

func (x *Uint32) And(mask uint32) uint32 {
	if current == nil {
		return x.v.And(mask)
	}
	old, _ := x.access(And, mask, 0)
	return old
}

func (x *Uint32) Or(mask uint32) uint32 {
	if current == nil {
		return x.v.Or(mask)
	}
	old, _ := x.access(Or, mask, 0)
	return old
}

func (x *Uint32) Swap(v uint32) uint32 {
	if current == nil {
		return x.v.Swap(v)
	}
	old, _ := x.access(Swap, v, 0)
	return old
}

func (x *Uint32) CompareAndSwap(old, v uint32) bool {
	if current == nil {
		return x.v.CompareAndSwap(old, v)
	}
	_, ok := x.access(CompareAndSwap, old, v)
	return ok
}

// Uint64 is a word of 64 bits.
type Uint64 struct{ v atomic.Uint64 }

func (x *Uint64) access(op Operation, a, b uint64) (uint64, bool) {
	return current.Access(unsafe.Pointer(x), 8, op, a, b)
}

// Load is that of atomic.Uint64, as the other methods are.
func (x *Uint64) Load() uint64 {
	if current == nil {
		return x.v.Load()
	}
	old, _ := x.access(Load, 0, 0)
	return old
}

func (x *Uint64) Store(v uint64) {
	if current == nil {
		x.v.Store(v)
		return
	}
	x.access(Store, v, 0)
}

// Publish is futex.Publish.
func (x *Uint64) Publish(v uint64) {
	if current == nil {
		x.v.Store(v)
		return
	}
	x.access(Publish, v, 0)
}

func (x *Uint64) Add(delta uint64) uint64 {
	if current == nil {
		return x.v.Add(delta)
	}
	old, _ := x.access(Add, delta, 0)
	return old + delta
}

func (x *Uint64) And(mask uint64) uint64 {
	if current == nil {
		return x.v.And(mask)
	}
	old, _ := x.access(And, mask, 0)
	return old
}

func (x *Uint64) Or(mask uint64) uint64 {
	if current == nil {
		return x.v.Or(mask)
	}
	old, _ := x.access(Or, mask, 0)
	return old
}

func (x *Uint64) Swap(v uint64) uint64 {
	if current == nil {
		return x.v.Swap(v)
	}
	old, _ := x.access(Swap, v, 0)
	return old
}

func (x *Uint64) CompareAndSwap(old, v uint64) bool {
	if current == nil {
		return x.v.CompareAndSwap(old, v)
	}
	_, ok := x.access(CompareAndSwap, old, v)
	return ok
}

// Int64 is a signed word of 64 bits.
type Int64 struct{ v atomic.Int64 }

func (x *Int64) access(op Operation, a, b int64) (int64, bool) {
	old, ok := current.Access(unsafe.Pointer(x), 8, op, uint64(a), uint64(b))
	return int64(old), ok
}

// Load is that of atomic.Int64, as the other methods are.
func (x *Int64) Load() int64 {
	if current == nil {
		return x.v.Load()
	}
	old, _ := x.access(Load, 0, 0)
	return old
}

func (x *Int64) Store(v int64) {
	if current == nil {
		x.v.Store(v)
		return
	}
	x.access(Store, v, 0)
}

func (x *Int64) Add(delta int64) int64 {
	if current == nil {
		return x.v.Add(delta)
	}
	old, _ := x.access(Add, delta, 0)
	return old + delta
}

func (x *Int64) Swap(v int64) int64 {
	if current == nil {
		return x.v.Swap(v)
	}
	old, _ := x.access(Swap, v, 0)
	return old
}

func (x *Int64) CompareAndSwap(old, v int64) bool {
	if current == nil {
		return x.v.CompareAndSwap(old, v)
	}
	_, ok := x.access(CompareAndSwap, old, v)
	return ok
}

// Mutex is a lock between goroutines of one process that is held across accesses to shared words.
type Mutex struct {
	real sync.Mutex
	held bool // in a model
}

// Lock is that of sync.Mutex.
func (m *Mutex) Lock() {
	if current == nil {
		m.real.Lock()
		return
	}
	current.LockMutex(&m.held)
}

// Unlock is that of sync.Mutex.
func (m *Mutex) Unlock() {
	if current == nil {
		m.real.Unlock()
		return
	}
	current.UnlockMutex(&m.held)
}
