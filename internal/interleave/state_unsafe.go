//go:build interleave && (linux || darwin)

package interleave

import (
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/kindred-ipc/kindred/internal/word"
)

// state is a hash of all that the rest of a run depends on. See the package's documentation for what
// that is.
func (r *run) state() xxh3.Uint128 {
	b := r.scratch[:0]
	add := func(v uint64) { b = append(b, v) }
	memory := r.memory.Hash()
	add(memory.Hi)
	add(memory.Lo)
	add(uint64(r.deaths) | uint64(r.cancels)<<8 | uint64(r.nets)<<16 | uint64(r.idle)<<24 |
		uint64(r.wakes)<<32 | uint64(r.hasty)<<40)
	for _, p := range r.processes {
		flags := word.Bit(p.dead) | word.Bit(p.done)<<1 | word.Bit(p.registered)<<2 | word.Bit(p.canceled)<<3
		add(flags)
		if p.dead {
			continue
		}
		if p.poked != nil {
			add(uint64(p.poked.Load()))
		}
		for _, w := range p.watches {
			add(uint64(w.target.index)<<8 | word.Bit(w.pushed)<<1 | 1)
		}
		add(uint64(len(p.watches)))
		if p.crowded() {
			add(uint64(p.locked))
		}
		if p.Segment != nil {
			add(r.memory.Remembered(p.Segment))
		}
		// The bytes that it holds, in no order.
		var held uint64
		for off, by := range r.locks {
			if by == p {
				held += uint64(off)*0x9e3779b97f4a7c15 + 1
			}
		}
		add(held)
	}
	for _, t := range r.threads {
		if t.p.dead || t.finished {
			add(uint64(t.p.index)<<1 | 1)
		} else {
			add(uint64(t.p.index) << 1)
			add(t.history)
			add(uint64(t.outcome) | word.Bit(t.started)<<16 | word.Bit(t.asleep != nil)<<17 | word.Bit(t.fine)<<18)
		}
		add(uint64(len(t.buffer)))
		for _, s := range t.buffer {
			add(s.off)
			add(s.v)
		}
		if t.asleep != nil {
			for i, n := range t.asleep.until {
				add(uint64(max(n-r.threads[i].arrived, 0)))
			}
		}
	}
	for _, t := range r.sleepers { // whom a wake finds first
		add(uint64(t.index))
	}
	for _, g := range r.world.Ghost {
		add(g)
	}
	r.scratch = b
	return xxh3.Hash128(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(b)*8))
}
