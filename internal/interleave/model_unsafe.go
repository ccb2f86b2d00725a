//go:build interleave && (linux || darwin)

package interleave

import (
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// run is the word.Model of its processes.
var _ word.Model = (*run)(nil)

// Access is a step of the calling thread.
func (r *run) Access(p unsafe.Pointer, size int, op word.Operation, a, b uint64) (old uint64, ok bool) {
	off, inside := r.memory.Offset(p)
	for i := 0; !inside && i < len(r.processes); i++ {
		if s := r.processes[i].Segment; s != nil {
			off, inside = r.memory.Offset(p, s)
		}
	}
	if !inside {
		panic(fmt.Sprintf("a shared word at %p, outside of the segment", p))
	}
	t, point := r.use(off, op != word.Load)
	if t != nil && op != word.Load && op != word.Publish {
		t.drain(len(t.buffer))
	}
	old = read(p, size)
	if t != nil {
		for i := range t.buffer {
			if t.buffer[i].off == off {
				old = t.buffer[i].v
			}
		}
	}
	v, ok := old, true
	switch op {
	case word.Store, word.Swap, word.Publish:
		v = a
	case word.Add:
		v = old + a
	case word.And:
		v = old & a
	case word.Or:
		v = old | a
	case word.CompareAndSwap:
		if ok = old == a; ok {
			v = b
		}
	}
	switch {
	case t == nil || op != word.Publish || r.s.Buffers == 0:
		if op != word.Load {
			write(p, size, v)
		}
	default:
		if len(t.buffer) == r.s.Buffers {
			t.drain(1)
		}
		t.buffer = append(t.buffer, store{off: off, p: (*uint64)(p), v: v})
	}
	if t == nil {
		return old, ok
	}
	t.wrote = op != word.Load
	// What is not returned to the caller is none of its knowledge.
	switch op {
	case word.Load, word.Swap:
		t.learn(old)
	case word.Add, word.And, word.Or:
		t.learn(old)
	case word.CompareAndSwap:
		t.learn(word.Bit(ok))
	}
	t.learn(off<<8 | uint64(op))
	if r.trace != nil {
		r.sayAccess(t, off, op, a, b, old, ok)
	}
	if point {
		r.after(t)
	}
	return old, ok
}

func read(p unsafe.Pointer, size int) uint64 {
	if size == 4 {
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

func write(p unsafe.Pointer, size int, v uint64) {
	if size == 4 {
		*(*uint32)(p) = uint32(v)
		return
	}
	*(*uint64)(p) = v
}

// drain makes the n oldest stores of t visible.
func (t *thread) drain(n int) {
	for _, s := range t.buffer[:n] {
		*s.p = s.v
	}
	t.buffer = append(t.buffer[:0], t.buffer[n:]...)
	t.arrived += n
}

// use is the step before an access, where it needs one.
func (r *run) use(what uint64, writes bool) (t *thread, point bool) {
	if t = r.current; t == nil || r.aborting {
		return r.step(writes), false
	}
	if r.sharing.point(what, t.p, writes) {
		return r.step(writes), true
	}
	return t, false
}

// call is a step in which the calling thread enters the kernel, which is a fence.
func (r *run) call(writes bool) *thread { return r.entered(r.step(writes), writes) }

// lock is a call that concerns a locked byte.
func (r *run) lock(off int64, writes bool) *thread {
	t, _ := r.use(uint64(off)|lockedByte, writes)
	return r.entered(t, writes)
}

func (r *run) entered(t *thread, writes bool) *thread {
	if t != nil {
		t.drain(len(t.buffer))
		t.wrote = writes
	}
	return t
}

// Sleep is a step that compares, and another one when the sleep is over.
func (r *run) Sleep(w *word.Uint32, val uint32, poked *pokeWord, d time.Duration) word.Outcome {
	t := r.call(true)
	if t == nil {
		panic(failed{fmt.Errorf("a wait outside of a process")})
	}
	off, _ := r.memory.Offset(unsafe.Pointer(w))
	out := word.Changed
	switch {
	case poked.Load() != 0 || t.p.canceled:
		out = word.Poked
	case uint32(read(unsafe.Pointer(w), 4)) == val:
		t.asleep = &sleep{word: off, poked: poked, short: d >= 0 && d < segment.SafetyNet}
		if r.s.Demand {
			for _, o := range r.threads {
				t.asleep.until = append(t.asleep.until, o.arrived+len(o.buffer))
			}
		}
		r.say(t, "sleeps on %s", r.place(off))
		r.sleepers = append(r.sleepers, t)
		t.outcome = word.Woken
		r.step(false)
		out = t.outcome
		t.outcome = 0
	}
	t.learn(uint64(out) | 0x51eeb00)
	r.say(t, "slept: %v", [...]string{"woken", "the word has changed", "timed out", "poked"}[out])
	return out
}

// Wake wakes those who have slept longest.
func (r *run) Wake(w *word.Uint32, n int) int {
	t := r.call(true)
	off, _ := r.memory.Offset(unsafe.Pointer(w))
	if r.wakes > 0 && t != nil && slices.ContainsFunc(r.sleepers, func(s *thread) bool { return s.asleep.word == off }) {
		r.say(t, "wakes: lost")
		r.wakes--
		return 0
	}
	woken := 0
	for i := 0; i < len(r.sleepers) && woken < n; {
		s := r.sleepers[i]
		if s.asleep.word != off {
			i++
			continue
		}
		r.rouse(s, word.Woken)
		woken++
	}
	if t != nil {
		t.learn(uint64(woken))
		r.say(t, "wakes %d on %s", woken, r.place(off))
	}
	r.after(t)
	return woken
}

// Poke is no step: it is of one process's threads.
func (r *run) Poke(poked *pokeWord) {
	for _, t := range r.sleepers {
		if t.asleep.poked == poked {
			r.rouse(t, word.Poked)
			break
		}
	}
	if t := r.current; t != nil {
		t.p.poked = poked
		r.say(t, "pokes")
	}
}

// Go is no step: the new thread's first one is.
func (r *run) Go(f func()) {
	if p := r.process(); p != nil {
		r.newThread(p, f).serves = true
	}
}

// Park is a sleep on no word.
func (r *run) Park(poked *pokeWord) {
	t := r.current
	if poked.Load() == 0 {
		t.asleep = &sleep{word: nowhere, poked: poked}
		r.sleepers = append(r.sleepers, t)
		r.say(t, "parks")
	}
	r.step(false)
	t.outcome = 0
	t.learn(0x9a4ced)
}

// nowhere is no offset of a word.
const nowhere = 1<<64 - 1

// Mark is what the calling thread knows.
func (r *run) Mark() uint64 {
	if r.current == nil {
		return 0
	}
	return r.current.history
}

// Carry forgets what it has learned since, but for values.
func (r *run) Carry(mark uint64, values []uint64) {
	t := r.current
	if t == nil {
		return
	}
	t.history = mark
	t.learn(0xca111)
	for _, v := range values {
		t.learn(v)
	}
}

// Late is any of both, where time passes in the scenario at all.
func (r *run) Late() bool {
	t := r.current
	if t == nil || !r.s.Clock || r.aborting {
		return false
	}
	t.learn(0x1a7e)
	r.actions = append(r.actions[:0], action{kind: early, thread: t}, action{kind: late, thread: t})
	way := r.choose(r, r.actions)
	if way == stop {
		r.actions = r.actions[:1] // which says that this run has not ended
		r.chosen = nil
		t.suspend()
	}
	is := r.actions[way].kind == late
	t.learn(word.Bit(is))
	r.say(t, "has waited for long: %v", is)
	return is
}

// Barrier is membarrier: a fence in every registered process.
func (r *run) Barrier() bool {
	t := r.call(true)
	if r.s.Demand {
		return false
	}
	r.say(t, "has everybody fence")
	if r.s.Lose != NoBarrier {
		for _, o := range r.threads {
			if o.p.registered {
				o.drain(len(o.buffer))
			}
		}
	}
	r.after(t)
	return true
}

// Registered is no step, but what it says is news.
func (r *run) Registered() bool {
	t := r.current
	if t == nil {
		return r.as != nil && r.as.registered
	}
	t.learn(word.Bit(t.p.registered))
	return t.p.registered
}

// ManyCPUs is what the scenario says.
func (r *run) ManyCPUs() bool { return r.s.Polls }

// process is whose code runs.
func (r *run) process() *Process {
	if r.current != nil {
		return r.current.p
	}
	return r.as
}

// TryLock is for one byte, which is all that attached processes lock.
func (r *run) TryLock(off, n int64) bool {
	t := r.lock(off, true)
	if n != 1 {
		panic("a lock on more than a byte")
	}
	me := r.process()
	by := r.locks[off]
	ok := by == nil || by == me
	if ok {
		r.locks[off] = me
	}
	if t != nil {
		t.learn(word.Bit(ok) | 0x10c00)
		r.say(t, "locks byte %#x: %v", off, ok)
	}
	r.after(t)
	return ok
}

// Unlock gives a byte back.
func (r *run) Unlock(off, _ int64) {
	t := r.lock(off, true)
	if r.locks[off] == r.process() {
		delete(r.locks, off)
	}
	r.say(t, "unlocks byte %#x", off)
	r.after(t)
}

// Held asks for a byte.
func (r *run) Held(off, _ int64) bool {
	t := r.lock(off, false)
	by := r.locks[off]
	held := by != nil && by != r.process()
	if held && r.hasty > 0 && t != nil {
		held = false
		r.hasty--
	}
	if t != nil {
		t.learn(word.Bit(held) | 0x4e1d00)
		r.say(t, "asks for byte %#x: held is %v", off, held)
	}
	r.after(t)
	return held
}

// firstPid is the number of the first process.
const firstPid = 1000

// Self is the same for all threads of a process.
func (r *run) Self() (pid uint32, namespace uint64) {
	p := r.process()
	if p == nil {
		return 1, 1
	}
	if r.s.Silent {
		return firstPid + uint32(p.index), 1 + uint64(p.index)
	}
	return firstPid + uint32(p.index), 1
}

// Watch opens a pidfd.
func (r *run) Watch(key any, pid int, died func()) bool {
	t := r.call(true)
	i := pid - firstPid
	if i < 0 || i >= len(r.processes) || r.processes[i].dead {
		if t != nil {
			t.learn(0xdead)
		}
		return false
	}
	p := r.process()
	p.watches = append(p.watches, &watch{key: key, by: p, target: r.processes[i], died: died})
	if t != nil {
		t.learn(0xa11fe)
		r.say(t, "watches %s", r.processes[i].name)
	}
	r.after(t)
	return true
}

// Unwatch is no step: what is stopped is heard of by nobody.
func (r *run) Unwatch(key any) {
	p := r.process()
	for i, w := range p.watches {
		if w.key == key {
			p.watches = append(p.watches[:i:i], p.watches[i+1:]...)
			return
		}
	}
}

// LockMutex takes a lock between the threads of a process. It is no step where the lock is free; the
// order in which threads get it is part of what they know.
func (r *run) LockMutex(held *bool) {
	if r.aborting {
		panic(killing{})
	}
	t := r.current
	if *held && t != nil {
		t.blocked = held
		r.step(false)
		t.blocked = nil
	}
	*held = true
	if t == nil {
		return
	}
	if !t.p.crowded() {
		t.p.locked = 0 // nobody is there to be before or behind
		return
	}
	t.p.locked++
	t.learn(uint64(t.p.locked))
}

// UnlockMutex gives it back.
func (r *run) UnlockMutex(held *bool) { *held = false }
