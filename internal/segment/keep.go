package segment

import (
	"fmt"
	"sync/atomic"
)

// A block may keep objects: as long as there is the block, there are they, whoever destroys them. It says which in its
// memory: its second word is how many, at most MostKept, and their places follow. Nobody counts. Who destroys an object, or
// frees the last block that kept one which was destroyed, looks whether a block keeps it, among those that there are: so a
// death can leave no count that is wrong. (It costs a look at each block that keeps something, which is little as long as there
// are thousands and not millions.)
//
// The control word of such a block has keepsFlag, from when its memory says what it keeps. It keeps them in every state
// but bound:
//
//	from                  to         who
//	draft p               the same, with keepsFlag      p; then p looks whether the objects are there; see below
//	draft p, tied p, settled, all with keepsFlag
//	                      bound p    whoever frees the block: from here on it keeps nothing
//	bound p               free       p, when it has looked whether somebody else keeps what it kept
//
// That of an object has two states more than those of other blocks:
//
//	settled, tied p, draft p
//	                      ending p   p destroys it, and is about to look who keeps it
//	ending p, gone        ending q   q, who has just bound a block that kept it; p's look does not count any more
//	ending p              gone       p, who has seen a block that keeps it; or anybody, for a block of his that does
//	ending p              draft p    p, who has seen none: it frees what the object has of the heap, and the object
//
// One who has set keepsFlag looks at the object afterwards, and one who has swapped it to ending looks at the blocks
// afterwards: one of them sees the other. If both do, the object stays, and p has seen nothing that counts, because its swap
// fails. Likewise one who has bound a block looks at the object afterwards, and finds it gone, or ending, if whoever
// looked for blocks may have seen that one.
//
// What p had begun when it died, whoever sweeps goes on with: it makes the block its own first, by a swap, so that one
// process does, and if that dies, the next.

const (
	// MostKept is how many objects a block keeps at most.
	MostKept = 8

	// keeping is set in run.extent of a run of small blocks in which a block may keep something. It is a hint, and stays.
	keeping = 1 << 63
)

// KeepHeadMost is KeepHead(MostKept).
const KeepHeadMost = 16 + 8*MostKept

// KeepHead is how many bytes a block begins with that keeps n objects: the intent, the number, their places.
func KeepHead(n int) uint64 { return 16 + 8*uint64(n) }

// Keepable is the place of the object that a Ref names, for Keep; 0 if it names nothing, or what is in another segment, or no
// object. It fails with ErrStale if it is of this segment, and there is nothing.
func (s *Segment) Keepable(ref Ref) (place uint64, err error) {
	if ref.IsZero() || ref.segment != s.id {
		return 0, nil
	}
	b, err := s.Block(ref)
	if err != nil {
		return 0, err
	}
	if c, err := b.look(); err != nil || !c.object() {
		return 0, s.unlessClosed(err)
	}
	return ref.place, nil
}

// Keep has the block keep objects. It is this participant's, and a draft, and begins with KeepHead(len(places)) bytes that are
// not used for anything else. It fails with ErrStale if one of them was destroyed; then the block is to be freed.
func (b Block) Keep(places []uint64) error {
	if len(places) == 0 {
		return nil
	}
	err := b.mark(places)
	for _, place := range places {
		if err == nil {
			err = b.seg.revive(place)
		}
	}
	return err
}

// mark says what the block keeps.
func (b Block) mark(places []uint64) error {
	s := b.seg
	if KeepHead(len(places)) > b.size || len(places) > MostKept {
		return fmt.Errorf("%d objects kept by a block of %d bytes: %w", len(places), b.size, ErrSize)
	}
	s.m.word(b.off + 8).Store(uint64(len(places)))
	for i, place := range places {
		s.m.word(b.off + KeepHead(i)).Store(place)
	}
	r := s.heap.run((b.off - s.heap.heap) >> s.heap.shift)
	if b.size < s.heap.runBytes() && r.extent.Load()&keeping == 0 {
		r.extent.Or(keeping)
	}
	err := b.move(func(c control, self uint64) (control, bool) {
		return c | keepsFlag, c.owner() == self && c.state() == blockDraft
	})
	if err == nil {
		for _, place := range places {
			s.heap.keepers.note(place, b.off)
		}
	}
	return err
}

// revive sees to it that an object stays, which a block keeps.
func (s *Segment) revive(place uint64) error {
	b, err := s.BlockAt(place)
	if err != nil {
		return err
	}
	w := s.heap.control(b.off)
	for {
		c, err := b.look()
		switch {
		case err != nil:
			return s.unlessClosed(err)
		case !c.object() || c.state() == blockDraft || c.state() == blockDoomed:
			return s.unlessClosed(fmt.Errorf("%v is being freed: %w", b.Ref(), ErrStale))
		case c.state() != blockEnding || w.CompareAndSwap(uint64(c), uint64(c.with(blockGone, 0))):
			return nil
		}
	}
}

// kept is what a block says that it keeps.
func (s *Segment) kept(off, size uint64) (places []uint64) {
	n := s.m.word(off + 8).Load()
	if n > MostKept || KeepHead(int(n)) > size {
		return nil
	}
	for i := range int(n) {
		places = append(places, s.m.word(off+KeepHead(i)).Load())
	}
	return places
}

// mentions reports whether place is among what a block says that it keeps.
func (s *Segment) mentions(off, size, place uint64) bool {
	n := s.m.word(off + 8).Load()
	if n > MostKept || KeepHead(int(n)) > size {
		return false
	}
	for i := range int(n) {
		if s.m.word(off+KeepHead(i)).Load() == place {
			return true
		}
	}
	return false
}

// keeps reports whether a control word is that of a block that keeps what it says.
func (c control) keeps() bool {
	return c&keepsFlag != 0 && c.used() && c.state() != blockBound && c.state() != blockDoomed
}

// keepers are where an attach has last seen a block that keeps an object: who looks for one looks there first, and goes on from
// there. Objects that share an entry lose it to each other.
type keepers [256]struct{ place, off atomic.Uint64 }

func (k *keepers) at(place uint64) *struct{ place, off atomic.Uint64 } {
	return &k[place/(granule/refUnit)%uint64(len(k))]
}

func (k *keepers) note(place, off uint64) {
	e := k.at(place)
	e.place.Store(place)
	e.off.Store(off)
}

// last is 0 if it is not known.
func (k *keepers) last(place uint64) (off uint64) {
	e := k.at(place)
	if e.place.Load() != place {
		return 0
	}
	return e.off.Load()
}

// isKept reports whether any block keeps the object at a place.
func (s *Segment) isKept(place uint64) bool {
	h := &s.heap
	top, first := h.top(), uint64(0)
	if last := h.keepers.last(place); last != 0 {
		if _, size, _, err := h.extentOf(last); err == nil && s.keepsAt(last, size, place) {
			return true
		}
		first = (last - h.heap) >> h.shift
	}
	for k := range top {
		i := (first + k) % top
		r := h.run(i)
		w := r.load()
		step := h.runBytes()
		if class, ok := w.cut(); ok {
			if r.extent.Load()&keeping == 0 {
				continue
			}
			step = classBytes(class)
		} else if w.state() != runLarge {
			continue
		}
		off := h.runOffset(i)
		for end := h.runOffset(i+1) - step; off <= end; off += step {
			if s.keepsAt(off, step, place) {
				h.keepers.note(place, off)
				return true
			}
		}
	}
	return false
}

// keepsAt reports whether a block keeps the object at a place. It has size bytes at least.
func (s *Segment) keepsAt(off, size, place uint64) bool {
	word := s.heap.control(off)
	for c := control(word.Load()); c.keeps(); {
		found := s.mentions(off, size, place)
		now := control(word.Load())
		if found && now.keeps() && now.generation() == c.generation() {
			return true
		}
		if now == c {
			break
		}
		c = now
	}
	return false
}

// letGo binds a block that keeps something, whatever state it was in, and frees it when that is settled. It appends the
// objects that are this participant's to be freed then.
func (b Block) letGo(c control, ends *[]Object) error {
	s, self := b.seg, b.seg.heap.self.Load()
	if self == 0 {
		return s.Writable()
	}
	if c.state() == blockBound && c.owner() != self || c.state() == blockDoomed {
		return s.unlessClosed(b.notOurs(c))
	}
	s.heap.note()
	s.heap.run((b.off - s.heap.heap) >> s.heap.shift).visit(self)
	if !s.heap.control(b.off).CompareAndSwap(uint64(c), uint64(c.with(blockBound, self))) {
		return errMoved
	}
	for _, place := range s.kept(b.off, b.size) {
		if o, ok := s.end(place); ok {
			*ends = append(*ends, o)
		}
	}
	return b.freeAs(0, true, ends)
}

// end looks whether an object that was destroyed is kept by nobody any more, and reports whether it is this participant's
// then, to be freed.
func (s *Segment) end(place uint64) (Object, bool) {
	o, err := s.objectAt(place & refOffsetBitMask * refUnit)
	if err != nil || o.Block().Place() != place {
		return o, false
	}
	s.heap.ending.Lock() // so the word is not this participant's once more for another goroutine
	defer s.heap.ending.Unlock()
	b, self := o.Block(), s.heap.self.Load()
	for {
		c, err := b.look()
		if err != nil || c.state() != blockGone && c.state() != blockEnding || self == 0 {
			return o, false
		}
		if s.endAs(b, c, self) {
			return o, s.conclude(b, self)
		}
	}
}

// endAs makes an object ending, and this participant's.
func (s *Segment) endAs(b Block, c control, self uint64) bool {
	s.heap.note()
	s.heap.run((b.off - s.heap.heap) >> s.heap.shift).visit(self)
	return s.heap.control(b.off).CompareAndSwap(uint64(c), uint64(c.with(blockEnding, self)))
}

// conclude is end for an object that is ending, and this participant's.
func (s *Segment) conclude(b Block, self uint64) bool {
	w := s.heap.control(b.off)
	ending := makeControl(blockEnding, self, b.generation) | objectFlag
	if s.isKept(b.Place()) {
		w.CompareAndSwap(uint64(ending), uint64(ending.with(blockGone, 0)))
		return false
	}
	return w.CompareAndSwap(uint64(ending), uint64(ending.with(blockDraft, self)))
}

// Entrust leaves an object that was made without a name, and not passed on, to blocks that are to keep it: the last of them frees it. They are
// this participant's, as for Keep, and keep nothing else. If it fails, the object is still there, and is to be freed behind the blocks.
func (o Object) Entrust(to ...Block) error {
	for _, b := range to {
		if err := b.mark([]uint64{o.Place()}); err != nil {
			return err
		}
	}
	return o.seg.finish(o)
}

// finish destroys an object without a name that is this participant's, or settled: what it has of the heap is free, and so
// is it, unless a block keeps it.
func (s *Segment) finish(o Object) error {
	over, err := s.finishBlock(o.Block())
	if err != nil || !over {
		return s.unlessClosed(err)
	}
	return s.demolish([]Object{o})
}

func (s *Segment) finishBlock(b Block) (over bool, err error) {
	s.heap.ending.Lock()
	defer s.heap.ending.Unlock()
	self := s.heap.self.Load()
	for {
		c, err := b.look()
		switch {
		case err != nil:
			return false, err
		case self == 0:
			return false, s.Writable()
		case c.owner() != self && c.state() != blockSettled:
			return false, b.notOurs(c)
		case s.endAs(b, c, self):
			return s.conclude(b, self), nil
		}
	}
}

// demolish frees objects that are this participant's alone, with what they have of the heap, and with those that only
// these kept. Who dies in it leaves them to the sweep.
func (s *Segment) demolish(ends []Object) (failed error) {
	for len(ends) > 0 {
		o := ends[len(ends)-1]
		ends = ends[:len(ends)-1]
		s.freeContents(o, &ends)
		if err := o.Block().freeAs(objectFlag, false, &ends); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// adopt goes on with what a dead participant had begun with an object, or with a block that keeps something, unless
// somebody else does.
func (s *Segment) adopt(off, size uint64, c control) {
	h, self := &s.heap, s.heap.self.Load()
	if self == 0 {
		return // closed meanwhile
	}
	h.note()
	if s.Self() == 0 { // not attached yet: who comes to this slot next looks for what is left
		h.m.participant(uint32(self & (1<<ownerSlotBits - 1))).allocated.Store(allocatedBefore)
	}
	h.run((off - h.heap) >> h.shift).visit(self)
	b := Block{seg: s, off: off, size: size, generation: c.generation()}
	mine := c.with(c.state(), self)
	if c.object() && c.state() != blockDraft {
		mine = c.with(blockEnding, self)
		h.ending.Lock()
	}
	over := c == mine || h.control(off).CompareAndSwap(uint64(c), uint64(mine))
	if c.object() && c.state() != blockDraft {
		over = over && s.conclude(b, self)
		h.ending.Unlock()
	}
	var ends []Object
	switch {
	case !over:
	case !c.object():
		_ = b.letGo(mine, &ends)
	default:
		if o, err := s.objectAt(off); err == nil {
			ends = append(ends, o)
		} else {
			_ = b.freeAs(objectFlag, false, &ends) // it never was complete
		}
	}
	_ = s.demolish(ends)
}
