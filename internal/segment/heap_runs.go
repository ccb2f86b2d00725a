package segment

import "fmt"

// keep is how many free runs an attach leaves backed by memory, for the next who needs one. Who that was it does not know, so it
// counts anew before it leaves none: among the runs near by, recounted of them.
const (
	keep      = 64
	recounted = 1024
)

// take takes run i if it is free.
func (h *heap) take(i uint64) (runWord, bool) {
	self := h.self.Load()
	r := h.run(i)
	w := r.load()
	if w.state() != runFree || self == 0 {
		return 0, false
	}
	h.note()
	taken := w.as(runTaken, self)
	return taken, r.swap(w, taken)
}

// give makes a run free that this attach took. The flags say what it is like.
func (h *heap) give(i uint64, taken, flags runWord) {
	if h.run(i).swap(taken, flags.as(runFree, 0)) {
		h.vacate()
	}
}

// vacate says that there is one more run for whoever needs one.
func (h *heap) vacate() { h.m.header().vacant.Add(1) }

// occupied says that there is one less. A death may have left the number wrong: it is a hint.
func (h *heap) occupied() {
	v := &h.m.header().vacant
	if n := v.Load(); n > 0 {
		v.CompareAndSwap(n, n-1)
	}
}

// takeSmall takes a run for blocks of a class: one that is nobody's, or free, or new.
func (h *heap) takeSmall(class uint64) (uint64, error) {
	for range attempts {
		i, adopted, ok := uint64(0), false, false
		if h.m.header().vacant.Load() > 0 {
			i, adopted, ok = h.vacant(class)
		}
		if !ok {
			var err error
			if i, err = h.extend(); err != nil {
				if i, adopted, ok = h.vacant(class); !ok {
					return 0, err
				}
			}
		}
		if adopted {
			if h.adopt(i, class) {
				return i, nil
			}
			continue
		}
		taken, ok := h.take(i)
		if !ok {
			continue
		}
		if h.occupied(); taken&runBacked != 0 && h.kept.Load() > 0 {
			h.kept.Add(-1)
		}
		return i, h.cut(i, taken, class)
	}
	return 0, fmt.Errorf("no run in %d attempts: %w", attempts, ErrCorrupt)
}

// vacant looks for a run that is free, or that nobody allocates blocks of that class in any more.
func (h *heap) vacant(class uint64) (i uint64, adopt, ok bool) {
	top := h.usable()
	if top == 0 {
		return 0, false, false
	}
	enough := max(h.blocksIn(class)/8, 1)
	first := h.look.Load() % top
	for k := range top {
		i := (first + k) % top
		w := h.run(i).load()
		switch {
		case w.state() == runFree:
			h.look.Store(i + 1)
			return i, false, true
		case w.small(class) && w.owner() == 0 && h.run(i).freed.Load() >= enough:
			h.look.Store(i)
			return i, true, true
		}
	}
	return 0, false, false
}

// adopt makes a run this attach's that was somebody's who is dead.
func (h *heap) adopt(i, class uint64) bool {
	r := h.run(i)
	w := r.load()
	self := h.self.Load()
	if !w.small(class) || w.owner() != 0 || self == 0 {
		return false
	}
	h.note()
	r.visit(self)
	if !r.swap(w, w.sized(runSmall, self, class)|runCurrent) {
		return false
	}
	h.occupied()
	return true
}

// extend finds a run that has not been used before.
func (h *heap) extend() (uint64, error) {
	hd := h.m.header()
	for range attempts {
		top := hd.top.Load()
		if top >= min(h.limit, h.count) {
			return 0, h.noRoom(h.runBytes())
		}
		if err := h.table(top + 1); err != nil {
			return 0, err
		}
		if hd.top.CompareAndSwap(top, top+1) {
			return top, nil
		}
	}
	return 0, fmt.Errorf("no new run in %d attempts: %w", attempts, ErrCorrupt)
}

// table sees to it that the entries of the runs below n are backed by memory.
func (h *heap) table(n uint64) error {
	tabled := &h.m.header().tabled
	for {
		have := tabled.Load()
		if have >= n {
			return nil
		}
		from := h.runs + have*runSize
		end := alignUp(h.runs+n*runSize, tablePage)
		want := min((end-h.runs)/runSize, h.count)
		if err := h.back(from, (want-have)*runSize); err != nil {
			return err
		}
		tabled.CompareAndSwap(have, want)
	}
}

// tablePage is what tables are backed by at a time.
const tablePage = 4 << 10

// back backs the n bytes from off on with memory, which this process alone uses, or nobody. It goes by the
// file, which Close does not cut loose, so Close waits for it.
func (h *heap) back(off, n uint64) error {
	h.growing.Lock()
	defer h.growing.Unlock()
	if h.gone {
		return ErrClosed
	}
	return commit(h.file, int64(off), int64(n))
}

// punch gives the memory behind the n bytes from off on back to the system, and reports whether it did:
// they are zero then.
func (h *heap) punch(off, n uint64) bool {
	h.growing.Lock()
	defer h.growing.Unlock()
	return !h.gone && decommit(h.file, int64(off), int64(n)) == nil
}

// cut makes a run that this attach took one of blocks of a class.
func (h *heap) cut(i uint64, taken runWord, class uint64) error {
	r := h.run(i)
	taken, err := h.furnish(i, taken)
	if err == nil && taken&runBacked == 0 {
		err = h.back(h.runOffset(i), h.runBytes())
	}
	if err != nil {
		h.give(i, taken, taken)
		return err
	}
	r.visit(h.self.Load())
	r.freed.Store(0)
	if !r.swap(taken, (taken|runFlags).sized(runSmall, taken.owner(), class)|runCurrent) {
		return fmt.Errorf("run %d in state %#x: %w", i, uint64(r.load()), ErrCorrupt)
	}
	return nil
}

// furnish sees to it that the control words of a run that this attach took are backed by memory, and
// notes it.
func (h *heap) furnish(i uint64, taken runWord) (runWord, error) {
	if taken&runTabled != 0 {
		return taken, nil
	}
	if err := h.back(h.controls+i*h.granules()*8, h.granules()*8); err != nil {
		return taken, err
	}
	if !h.run(i).swap(taken, taken|runTabled) {
		return taken, fmt.Errorf("run %d in state %#x: %w", i, uint64(h.run(i).load()), ErrCorrupt)
	}
	return taken | runTabled, nil
}

// release gives up a run of which all blocks seem to be free; see the table in heap.go. Whoever is about
// to allocate in it looks at the run's word after he has claimed a block.
func (h *heap) release(i uint64) bool {
	r := h.run(i)
	w := r.load()
	self := h.self.Load()
	class, ok := w.cut()
	if !ok || w.state() != runSmall || self == 0 {
		return false
	}
	h.note()
	leaving := w.sized(runLeaving, self, class)
	if !r.swap(w, leaving) {
		return false
	}
	size := classBytes(class)
	free := uint64(0)
	for off, end := h.runOffset(i), h.runOffset(i+1)-size; off <= end; off += size {
		if control(h.control(off).Load()).used() {
			r.freed.Store(free)
			if r.swap(leaving, leaving.sized(runSmall, 0, class)) {
				h.vacate()
			}
			return false
		}
		free++
	}
	taken := leaving.as(runTaken, self)
	if !r.swap(leaving, taken) {
		return false
	}
	flag := func(off runWord) {
		if r.swap(taken, taken&^off) {
			taken &^= off
		}
	}
	h.empty(i, 1, flag)
	h.give(i, taken, taken)
	return true
}

// empty gives the memory of n runs in a row, which nobody uses any more, back to the system, unless they
// are to be kept. flag takes a flag off all of them: what is not backed any more must not be said to be.
func (h *heap) empty(i, n uint64, flag func(off runWord)) {
	if int64(n) > keep-h.kept.Load() {
		h.kept.Store(h.backed(i))
	}
	if int64(n) <= keep-h.kept.Load() {
		h.kept.Add(int64(n))
		return
	}
	flag(runBacked)
	if h.punch(h.runOffset(i), n<<h.shift) {
		flag(runDirty)
	}
}

// backed is how many free runs there are, from run i on, that have memory, if only in part; up to keep.
func (h *heap) backed(i uint64) (n int64) {
	top := h.usable()
	for k := uint64(0); k < min(top, recounted) && n < keep; k++ {
		if w := h.run((i + k) % top).load(); w.state() == runFree && w&(runBacked|runDirty) != 0 {
			n++
		}
	}
	return n
}

// reclaim gives up all runs of which no block is used, whosesoever they are, and reports whether there
// was one.
func (h *heap) reclaim() (some bool) {
	for i := range h.usable() {
		w := h.run(i).load()
		if class, ok := w.cut(); ok && w.state() == runSmall && h.vacancies(i, class) == h.blocksIn(class) && h.release(i) {
			some = true
		}
	}
	return some
}

// Reclaim gives up the runs of which no block is used.
func (s *Segment) Reclaim() bool { return s.heap.self.Load() != 0 && s.heap.reclaim() }
