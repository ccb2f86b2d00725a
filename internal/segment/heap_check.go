package segment

import "fmt"

// The consistency of the heap. It is held against itself beside others at work: whatever looks wrong is
// looked at again, and is wrong only if the word that said so has not changed, because each word that
// somebody is about to put right changes before what depends on it.

// checkHeap sees that every run and every block is accounted for once.
func (s *Segment) checkHeap() error {
	h, hd := &s.heap, s.m.header()
	top := hd.top.Load() // before tabled, which is raised first
	tabled := hd.tabled.Load()
	if top > tabled || tabled > h.count {
		return fmt.Errorf("%d runs used, %d in the table, of %d: %w", top, tabled, h.count, ErrCorrupt)
	}
	if err := s.checkBacking(tabled); err != nil {
		return err
	}
	for i := range top {
		if err := s.checkRun(i); err != nil {
			return err
		}
	}
	return nil
}

// checkBacking holds what is said to be backed by memory against the file: what claims more than there is
// would make whoever walks it take that memory. Others may give memory back while it is counted.
func (s *Segment) checkBacking(tabled uint64) error {
	h := &s.heap
	var claimed, have uint64
	for range 8 {
		var err error
		if have, err = backing(s.file); err != nil {
			return err
		}
		if claimed = h.runs + tabled*runSize; claimed > have {
			continue
		}
		for i := range tabled {
			w := h.run(i).load()
			if w&runBacked != 0 {
				claimed += h.runBytes()
			}
			if w&runTabled != 0 {
				claimed += h.granules() * 8
			}
		}
		if have, err = backing(s.file); err != nil || claimed <= have {
			return err
		}
	}
	return fmt.Errorf("%#x bytes are to be backed by memory, %#x are: %w", claimed, have, ErrCorrupt)
}

// checkRun holds one run's entry against its control words and its neighbours.
func (s *Segment) checkRun(i uint64) error {
	h := &s.heap
	r := h.run(i)
	w := r.load()
	wrong := func(what string) error {
		if r.load() != w {
			return nil
		}
		return fmt.Errorf("run %d in state %#x: %s: %w", i, uint64(w), what, ErrCorrupt)
	}
	if w&^runDefined != 0 || w.state() > runTail {
		return wrong("no such state")
	}
	step := uint64(0) // of its blocks, 0: none begin here
	switch w.state() {
	case runTaken, runSmall, runLeaving:
		if err := s.checkBrief(w.owner(), w.state() == runSmall); err != nil && r.load() == w {
			return fmt.Errorf("run %d: %w", i, err)
		}
		if w.state() == runTaken {
			break
		}
		class, ok := w.cut()
		if !ok || classBytes(class) > h.runBytes()/2 || w&runFlags != runFlags {
			return wrong("no such blocks")
		}
		step = classBytes(class)
	case runLarge:
		if w&runTabled == 0 {
			return wrong("a block without a control word")
		}
		if err := s.checkLarge(i, w); err != nil {
			return err
		}
		step = h.runBytes()
	case runTail:
		k := r.extent.Load()
		if k == 0 || k > i {
			return wrong("behind nothing")
		}
		head := h.run(i - k).load()
		if head.state() != runTaken && (head.state() != runLarge || head.owner() != w.owner()) {
			return wrong("behind no block")
		}
	}
	if w&runTabled == 0 {
		return nil
	}
	return s.checkControls(i, step)
}

// checkControls looks at all control words of a run, in which blocks begin at multiples of step.
func (s *Segment) checkControls(i, step uint64) error {
	h := &s.heap
	r := h.run(i)
	w := r.load()
	for k := range h.granules() {
		off := h.runOffset(i) + k*granule
		word := h.control(off)
		c := control(word.Load())
		if c == 0 {
			continue
		}
		within := k * granule
		begins := step != 0 && within%step == 0 && within+step <= h.runBytes()
		var err error
		switch state := c.state(); {
		case c.generation() < firstGeneration:
			err = fmt.Errorf("no such state: %w", ErrCorrupt)
		case state == blockFree:
			if c.owner() != 0 || c.object() || c&keepsFlag != 0 {
				err = fmt.Errorf("free, and somebody's: %w", ErrCorrupt)
			}
		case c.object() && c&keepsFlag != 0, !c.object() && (state == blockGone || state == blockEnding):
			err = fmt.Errorf("no such state: %w", ErrCorrupt)
		case (state == blockSettled || state == blockGone) && c.owner() != 0:
			err = fmt.Errorf("handed over, and somebody's: %w", ErrCorrupt)
		case !begins && (state != blockDraft || c.object()):
			// A draft may be one that its claimer is about to take back.
			err = fmt.Errorf("no block begins here: %w", ErrCorrupt)
		case state != blockSettled && state != blockGone:
			if err = s.checkBrief(c.owner(), false); err == nil && r.guests.Load()&guest(c.owner()) == 0 {
				err = fmt.Errorf("no sweep would find it: %w", ErrCorrupt)
			}
		}
		if err != nil && control(word.Load()) == c && r.load() == w {
			return fmt.Errorf("block at %#x in state %#x: %w", off, uint64(c), err)
		}
	}
	return nil
}

// checkLarge looks at the runs of a block.
func (s *Segment) checkLarge(i uint64, w runWord) error {
	h := &s.heap
	word := h.control(h.runOffset(i))
	c := control(word.Load())
	if !c.used() || c.state() == blockDoomed {
		return nil // it is being freed
	}
	var err error
	n := h.span(h.run(i).extent.Load())
	switch {
	case uint64(c.generation()) != w.owner():
		err = fmt.Errorf("block of generation %d in runs of %d: %w", c.generation(), w.owner(), ErrCorrupt)
	case n == 0 || n > h.count-i:
		err = fmt.Errorf("block of %d runs: %w", n, ErrCorrupt)
	default:
		for k := uint64(1); k < n && err == nil; k++ {
			if t := h.run(i + k); t.load().state() != runTail || t.load().owner() != w.owner() || t.extent.Load() != k {
				err = fmt.Errorf("run %d of a block is in state %#x: %w", k, uint64(t.load()), ErrCorrupt)
			}
		}
	}
	if err != nil && h.run(i).load() == w && control(word.Load())&^(stateMask<<stateShift) == c&^(stateMask<<stateShift) &&
		control(word.Load()).state() != blockDoomed {
		return fmt.Errorf("run %d: %w", i, err)
	}
	return nil
}

// checkBrief reports whether a brief owner is somebody whose slot was not swept yet.
func (s *Segment) checkBrief(brief uint64, nobody bool) error {
	if brief == 0 && nobody {
		return nil
	}
	slot := uint32(brief & (1<<ownerSlotBits - 1))
	if slot >= s.slots {
		return fmt.Errorf("owned by slot %d of %d: %w", slot, s.slots, ErrCorrupt)
	}
	state := s.slot(slot).state.Load()
	o, next := makeOwner(slot, uint32(state>>8)), makeOwner(slot, uint32(state>>8)+1)
	if next.brief() == brief {
		return nil // one who attaches goes on with what a dead one had begun, or died in it; the next in the slot does
	}
	if state&0xff != slotLive || o.brief() != brief {
		return fmt.Errorf("owned by %#x, who is not there any more: %w", brief, ErrCorrupt)
	}
	return nil
}
