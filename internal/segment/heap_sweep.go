package segment

// sweepHeap settles what a participant that is proven dead had of the heap: what it had not handed over is
// free, runs in which it allocated are nobody's, and what it had begun with runs is undone, or ended. It
// may be stopped anywhere, and begun again, also by several at a time: each step is a swap from a word that
// never comes back.
func (s *Segment) sweepHeap(dead Owner) {
	h := &s.heap
	if h.m.participant(dead.slot()).allocated.Load() == 0 {
		return
	}
	brief := dead.brief()
	for i := range h.top() {
		r := h.run(i)
		if w := r.load(); w&runTabled != 0 && r.guests.Load()&guest(brief) != 0 {
			s.sweepBlocks(i, brief)
		}
		h.sweepRun(i, brief)
	}
}

// sweepBlocks settles the blocks of a run that a dead participant owned. It looks at all control words,
// also where no block of the run's class begins: the dead may have claimed one when the run was given up
// already, and have had no time to take it back.
func (s *Segment) sweepBlocks(i, dead uint64) {
	h := &s.heap
	for k := range h.granules() {
		off := h.runOffset(i) + k*granule
		word := h.control(off)
		c := control(word.Load())
		if c.owner() != dead || c.state() == blockFree || c.state() == blockSettled {
			continue
		}
		w := h.run(i).load()
		kept := c&keepsFlag != 0
		switch keep := c.state() == blockBound && !kept || c.state() == blockTied && h.named(off, c); {
		case keep:
			word.CompareAndSwap(uint64(c), uint64(c.with(blockSettled, 0)))
		case (c.object() || kept) && c.state() != blockDoomed:
			if _, size, _, err := h.extentOf(off); err == nil {
				s.adopt(off, size, c)
			}
		case k == 0 && w.state() == runLarge && w.owner() == uint64(c.generation()):
			doomed := c.with(blockDoomed, dead) &^ (objectFlag | keepsFlag)
			if c == doomed || word.CompareAndSwap(uint64(c), uint64(doomed)) {
				h.unbind(i, w, doomed)
			}
		case k == 0 && w.state() == runTaken && w.owner() == dead:
			// It was about to be a large block; see sweepRun.
		default:
			if word.CompareAndSwap(uint64(c), uint64(c.freed())) && w&runCurrent == 0 {
				h.run(i).freed.Add(1)
			}
		}
	}
}

// named reports whether the word that a tied block's intent names has the block's place.
func (h *heap) named(off uint64, c control) bool {
	at := h.m.word(off).Load()
	if at%8 != 0 || at > h.m.size()-8 {
		return false
	}
	return h.m.word(at).Load()&^7 == uint64(c.generation())<<refOffsetBits|off/refUnit
}

// sweepRun settles what a dead participant was about to do with a run.
func (h *heap) sweepRun(i, dead uint64) {
	r := h.run(i)
	w := r.load()
	switch {
	case w.state() == runSmall && w.owner() == dead, w.state() == runLeaving && w.owner() == dead:
		class, ok := w.cut()
		if !ok {
			return
		}
		if w&runCurrent != 0 {
			r.freed.Store(h.vacancies(i, class))
		}
		if r.swap(w, w.sized(runSmall, 0, class)) {
			h.vacate()
		}
	case w.state() == runTaken && w.owner() == dead:
		h.sweepTaken(i, w, dead)
	case w.state() == runLarge && w&runTabled != 0:
		// Freed by somebody who died before the last step, or whom this step does no harm.
		c := control(h.control(h.runOffset(i)).Load())
		if !c.used() && uint64(c.generation()) == w.owner() {
			h.unbind(i, w, c)
		}
	}
}

// sweepTaken frees a run that was taken, and, if it was to be the first of a large block, those that were
// joined to it already.
func (h *heap) sweepTaken(i uint64, w runWord, dead uint64) {
	if w&runTabled == 0 {
		h.give(i, w, w|runDirty) // nothing was joined to it yet
		return
	}
	word := h.control(h.runOffset(i))
	c := control(word.Load())
	g := uint64(c.generation())
	ours := c.owner() == dead && c.used()
	if !ours {
		g++
	}
	n := min(h.span(h.run(i).extent.Load()), h.count-i)
	for k := uint64(1); k < n; k++ {
		r := h.run(i + k)
		if t := r.load(); t.state() == runTail && t.owner() == g && r.extent.Load() == k && r.swap(t, t.as(runFree, 0)) {
			h.vacate()
		}
	}
	if ours {
		word.CompareAndSwap(uint64(c), uint64(c.freed()))
	}
	h.give(i, w, w|runDirty)
}
