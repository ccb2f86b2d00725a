package segment

import (
	"errors"
	"fmt"
)

// attempts bounds how often somebody begins again because others were quicker. Each time, one of them
// got what it wanted, so nobody who keeps the rules makes others begin again that often.
const attempts = 1 << 12

// allocateSmall takes a block of a class. The compare-and-swap on the control word is what decides; the
// look at the run behind it pairs with (*heap).release, which swaps the run's word and then looks at the
// control words: at least one of the two sees the other.
func (h *heap) allocateSmall(class, align uint64) (Block, error) {
	k := &h.classes[class]
	self := h.self.Load()
	if self == 0 {
		return Block{}, ErrClosed
	}
	size := classBytes(class)
	for range attempts {
		next := k.next.Load()
		if next != 0 {
			i := next>>32 - 1
			r := h.run(i)
			at := next
			off := h.runOffset(i) + next&(1<<32-1)*size
			for end := h.runOffset(i+1) - size; off <= end; off, at = off+size, at+1 {
				w := h.control(off)
				c := control(w.Load())
				if c.used() || c.generation() >= maxGeneration {
					continue
				}
				claimed := makeControl(blockDraft, self, c.generation()+1)
				if !w.CompareAndSwap(uint64(c), uint64(claimed)) {
					continue
				}
				if !r.load().small(class) {
					w.CompareAndSwap(uint64(claimed), uint64(claimed.freed()))
					break
				}
				if at != next {
					k.next.Store(at)
				}
				clear(h.m.bytes(off, size))
				return Block{off: off, size: size, generation: claimed.generation()}, nil
			}
		}
		b, err := h.refill(class, align, next)
		if err != nil || b.off != 0 {
			return b, err
		}
	}
	return Block{}, fmt.Errorf("no block of %d bytes in %d attempts: %w", size, attempts, ErrCorrupt)
}

// refill finds a run for allocateSmall to go on in, which has come to the end of what next says. Where
// there is no memory for one, it looks for a block anywhere.
func (h *heap) refill(class, align, next uint64) (Block, error) {
	h.note()
	k := &h.classes[class]
	k.mu.Lock()
	defer k.mu.Unlock()
	self := h.self.Load()
	if now := k.next.Load(); now>>32 != next>>32 && now != 0 {
		return Block{}, nil // another goroutine was here
	}
	if self == 0 {
		return Block{}, ErrClosed
	}
	enough := max(h.blocksIn(class)/8, 1)
	if next != 0 {
		if i := next>>32 - 1; h.leave(i, class) >= enough && h.enter(i, class) {
			k.next.Store((i + 1) << 32)
			return Block{}, nil
		}
	}
	k.next.Store(0)
	for range min(len(k.runs), 16) {
		k.at = (k.at + 1) % len(k.runs)
		i := k.runs[k.at]
		r := h.run(i)
		if w := r.load(); !w.small(class) || w.owner() != self {
			k.runs[k.at] = k.runs[len(k.runs)-1] // it is not this attach's any more
			k.runs = k.runs[:len(k.runs)-1]
			if len(k.runs) == 0 {
				break
			}
			continue
		}
		if r.freed.Load() >= enough && h.enter(i, class) {
			k.next.Store((i + 1) << 32)
			return Block{}, nil
		}
	}
	i, err := h.takeSmall(class)
	if err == nil {
		k.runs = append(k.runs, i)
		k.next.Store((i + 1) << 32)
		return Block{}, nil
	}
	if !errors.Is(err, ErrNoSpace) {
		return Block{}, err
	}
	if b, ok := h.scrape(class, align); ok {
		return b, nil
	}
	if h.reclaim() {
		return Block{}, nil // and try again
	}
	return Block{}, err
}

// enter begins to allocate in a run of this attach's own.
func (h *heap) enter(i, class uint64) bool {
	r := h.run(i)
	w := r.load()
	return w.small(class) && w.owner() == h.self.Load() && (w&runCurrent != 0 || r.swap(w, w|runCurrent))
}

// leave ends it, and counts the free blocks: before that nobody counts.
func (h *heap) leave(i, class uint64) (free uint64) {
	r := h.run(i)
	w := r.load()
	if !w.small(class) || w.owner() != h.self.Load() {
		return 0
	}
	r.freed.Store(0)
	if !r.swap(w, w&^runCurrent) {
		return 0
	}
	free = h.vacancies(i, class)
	r.freed.Add(free)
	return free
}

// vacancies counts the free blocks of a run.
func (h *heap) vacancies(i, class uint64) (free uint64) {
	size := classBytes(class)
	off := h.runOffset(i)
	for end := h.runOffset(i+1) - size; off <= end; off += size {
		if c := control(h.control(off).Load()); !c.used() && c.generation() < maxGeneration {
			free++
		}
	}
	return free
}

// scrape takes a free block of that class, or a larger one, from any run, where there is no memory for
// another run.
func (h *heap) scrape(class, align uint64) (Block, bool) {
	self := h.self.Load()
	for i := range h.usable() {
		r := h.run(i)
		have, ok := r.load().cut()
		if !ok || have < class || classBytes(have)%align != 0 {
			continue
		}
		size := classBytes(have)
		off := h.runOffset(i)
		for end := h.runOffset(i+1) - size; off <= end; off += size {
			word := h.control(off)
			c := control(word.Load())
			if c.used() || c.generation() >= maxGeneration {
				continue
			}
			r.visit(self)
			claimed := makeControl(blockDraft, self, c.generation()+1)
			if !word.CompareAndSwap(uint64(c), uint64(claimed)) {
				continue
			}
			if !r.load().small(have) {
				word.CompareAndSwap(uint64(claimed), uint64(claimed.freed()))
				break
			}
			clear(h.m.bytes(off, size))
			return Block{off: off, size: size, generation: claimed.generation()}, true
		}
	}
	return Block{}, false
}
