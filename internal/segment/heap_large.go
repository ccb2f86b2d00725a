package segment

import "fmt"

// A block of more than half a run takes as many runs as it needs. fits says how many bytes it needs if
// it begins at an offset, or that it cannot begin there.
type fits func(start uint64) (size uint64, ok bool)

// allocateLarge takes a row of runs, with the heap's lock held, which keeps away others who do so. Those
// who take single runs may be quicker; then it looks further.
func (s *Segment) allocateLarge(size uint64, f fits) (Block, error) {
	h := &s.heap
	if size > min(h.limit, h.count)<<h.shift {
		return Block{}, h.noRoom(size)
	}
	l, err := s.hold()
	if err != nil {
		return Block{}, err
	}
	defer l.Unlock()
	h.note()
	// What is free below the end is looked at if there seems to be enough, and else only if it must be.
	from, reclaimed := uint64(0), false
	if h.m.header().vacant.Load() < size>>h.shift {
		from = h.brim()
	}
	for whole := from == 0; ; {
		start, n, bytes, ok := h.row(from, f)
		switch {
		case ok:
			b, err := h.join(start, n, bytes)
			if b.off != 0 || err != nil {
				return b, err
			}
			from = start + 1 // somebody was quicker, or a place there is worn out
		case !whole:
			from, whole = 0, true
		case reclaimed || !h.reclaim():
			return Block{}, h.noRoom(size)
		default:
			from, reclaimed = 0, true
		}
	}
}

// brim is where the free runs at the end of what has been used begin.
func (h *heap) brim() uint64 {
	top := h.usable()
	for top > 0 && h.run(top-1).load().state() == runFree {
		top--
	}
	return top
}

// row finds free runs in a row.
func (h *heap) row(from uint64, f fits) (start, n, bytes uint64, ok bool) {
	top, limit := h.top(), min(h.limit, h.count)
	for start = from; start < limit; {
		bytes, ok := f(h.runOffset(start))
		if !ok {
			start++
			continue
		}
		n := (bytes + h.runBytes() - 1) >> h.shift
		if bytes > limit<<h.shift || n > limit-start {
			if bytes > limit<<h.shift {
				return 0, 0, 0, false
			}
			start++
			continue
		}
		taken := start + n // behind the last that is not free
		for taken > start && (taken-1 >= top || h.run(taken-1).load().state() == runFree) {
			taken--
		}
		if taken == start {
			return start, n, bytes, true
		}
		start = taken
	}
	return 0, 0, 0, false
}

// join makes n runs from start on a block. It returns none if somebody else took one of them.
func (h *heap) join(start, n, bytes uint64) (b Block, err error) {
	if err := h.table(start + n); err != nil {
		return b, err
	}
	hd := h.m.header()
	for top := hd.top.Load(); top < start+n && !hd.top.CompareAndSwap(top, start+n); top = hd.top.Load() {
	}
	taken := make([]runWord, 0, n)
	defer func() {
		if b.off == 0 {
			for k, w := range taken {
				h.give(start+uint64(k), w, w)
			}
		}
	}()
	for k := range n {
		w, ok := h.take(start + k)
		if !ok {
			return b, nil
		}
		h.occupied()
		taken = append(taken, w)
	}
	off := h.runOffset(start)
	if taken[0], err = h.furnish(start, taken[0]); err != nil {
		return b, err
	}
	c := control(h.control(off).Load())
	if c.used() || c.generation() >= maxGeneration {
		return b, nil // worn out, or somebody is about to take it back
	}
	bytes = alignUp(bytes, tablePage)
	if err := h.back(off, bytes); err != nil {
		return b, err
	}
	for k, w := range taken {
		at := uint64(k) << h.shift
		if w&runDirty != 0 {
			clear(h.m.bytes(off+at, min(bytes-at, h.runBytes())))
		}
	}
	return h.bind(start, n, bytes, taken, c)
}

// bind commits the block, in an order that a sweep can undo from wherever it was left: the first run
// remains this attach's to the last.
func (h *heap) bind(start, n, bytes uint64, taken []runWord, c control) (Block, error) {
	self, g := h.self.Load(), c.generation()+1
	first := h.run(start)
	first.visit(self)
	first.extent.Store(bytes)
	off := h.runOffset(start)
	flags := func(k uint64) runWord {
		w := taken[k] | runDirty
		if (k+1)<<h.shift <= bytes {
			w |= runBacked
		}
		return w
	}
	for k := uint64(1); k < n; k++ {
		r := h.run(start + k)
		r.extent.Store(k)
		if w := flags(k).as(runTail, uint64(g)); r.swap(taken[k], w) {
			taken[k] = w
		}
	}
	if h.control(off).CompareAndSwap(uint64(c), uint64(makeControl(blockDraft, self, g))) &&
		first.swap(taken[0], flags(0).as(runLarge, uint64(g))) {
		return Block{off: off, size: bytes, generation: g}, nil
	}
	return Block{}, fmt.Errorf("run %d in state %#x: %w", start, uint64(first.load()), ErrCorrupt)
}

// unbind frees the runs of a large block whose control word is doomed. Any number may do so at a time.
func (h *heap) unbind(i uint64, w runWord, doomed control) {
	g := w.owner()
	n := min(h.span(h.run(i).extent.Load()), h.count-i)
	for k := uint64(1); k < n; k++ {
		r := h.run(i + k)
		if t := r.load(); t.state() == runTail && t.owner() == g && r.swap(t, t.as(runFree, 0)) {
			h.vacate()
		}
	}
	h.control(h.runOffset(i)).CompareAndSwap(uint64(doomed), uint64(doomed.freed()))
	if h.run(i).swap(w, w.as(runFree, 0)) {
		h.vacate()
	}
}
