package segment

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Block is memory of the heap: what objects are made of, and what a structure allocates for its own
// parts (the nodes of a map, the items of a queue), which have no name and no header. It is plain data,
// good as long as the block is; what it says was checked when it was made.
//
// A block belongs to the participant that allocated it, and comes back when that dies, until it is handed
// over with Settle. It then belongs to the segment, and anybody may free it, once. Whoever stores it in a
// structure does so in steps, so that a death between any two leaves it either there, or free:
//
//	b, err := seg.Alloc(size, 0)  // the owner's death frees it
//	...                           // fill it, but for its first word, the intent
//	b.Tie(at)                     // his death frees it, unless the word at that offset names it
//	seg.Word(at).CompareAndSwap(old, b.Place())
//	b.Settle()                    // his death changes nothing
//
// and whoever takes it out again does
//
//	b.Claim()                     // nobody else can; his death changes nothing
//	b.Tie(at)                     // as above
//	seg.Word(at).CompareAndSwap(b.Place(), next)
//	b.Free()
//
// If the word could not be changed, b is freed, or settled again. The intent is the first word of a
// block: whoever ties a block leaves it alone. A word names a block by its place, of which the low three
// bits are free for a structure's own marks. A block that is tied, and seen in the structure, may be
// settled by anybody (Settle), so that nobody waits for one who is stopped.
//
// The death of an owner is settled before any other participant is told of it (Gone), so whoever inherits
// a lock from the dead finds no block half stored.
type Block struct {
	seg        *Segment
	off, size  uint64
	generation uint32
}

// Alloc takes a block of at least size bytes, all zero, that begins at a multiple of align, a power of
// two; 0: 64. It fails with ErrNoSpace, ErrReadOnly and ErrClosed. Up to half a run (2 KiB in segments of
// up to 4 MiB, 32 KiB in others) it takes no lock of other processes.
func (s *Segment) Alloc(size, align uint64) (Block, error) {
	h := &s.heap
	if h.self.Load() == 0 {
		return Block{}, s.Writable()
	}
	if align&(align-1) != 0 {
		return Block{}, fmt.Errorf("alignment of %d bytes: %w", align, ErrSize)
	}
	align = max(align, 1)
	b, err := s.alloc(size, align)
	if err != nil && errors.Is(err, ErrNoSpace) {
		s.sweepAll() // what the dead had comes back
		b, err = s.alloc(size, align)
	}
	if err != nil {
		return Block{}, s.unlessClosed(err)
	}
	b.seg = s
	return b, nil
}

// Lockless is how many bytes a block has at most that Alloc takes no lock for.
func (s *Segment) Lockless() uint64 { return s.heap.runBytes() / 2 }

func (s *Segment) alloc(size, align uint64) (Block, error) {
	if class, ok := classOf(size, align, s.heap.shift); ok {
		return s.heap.allocateSmall(class, align)
	}
	return s.allocateLarge(size, func(start uint64) (uint64, bool) { return size, start%align == 0 })
}

// Place is the word that names the block: its offset divided by 8, and its generation in the high 24
// bits, as in a Ref. It is a multiple of 8, and never 0.
func (b Block) Place() uint64 { return uint64(b.generation)<<refOffsetBits | b.off/refUnit }

// Ref names the block in any segment. It does not hand it over.
func (b Block) Ref() Ref { return Ref{segment: b.seg.id, place: b.Place()} }

// Offset is where the block begins in the segment.
func (b Block) Offset() uint64 { return b.off }

// Size is how many bytes it has, at least as many as were asked for.
func (b Block) Size() uint64 { return b.size }

// Bytes is its memory.
func (b Block) Bytes() []byte { return b.seg.m.bytes(b.off, b.size) }

// Segment is the attach that it was found through.
func (b Block) Segment() *Segment { return b.seg }

// BlockAt finds the block that a word names, whose low three bits are ignored. It fails with ErrStale if
// it was freed, or never was.
func (s *Segment) BlockAt(place uint64) (Block, error) {
	b := Block{seg: s, off: place & refOffsetBitMask &^ 7 * refUnit, generation: uint32(place >> refOffsetBits)}
	_, size, _, err := s.heap.extentOf(b.off)
	if err != nil {
		return b, s.unlessClosed(err)
	}
	b.size = size
	if !b.Current() {
		_, err = b.look() // for what is wrong
		return b, s.unlessClosed(err)
	}
	return b, nil
}

// Block finds the block that ref names. An object's block is found, too. While the segment is being closed, it may be found still.
func (s *Segment) Block(ref Ref) (Block, error) {
	if ref.segment == s.id && ref.place&7 == 0 {
		return s.BlockAt(ref.place)
	}
	if ref.segment != s.id {
		return Block{}, s.unlessClosed(fmt.Errorf("%s is in segment %016x: %w", ref, ref.segment, ErrStale))
	}
	return Block{}, s.unlessClosed(fmt.Errorf("no block at %#x: %w", ref.Offset(), ErrStale))
}

// look reads the control word, of this life of the block or no other.
func (b Block) look() (control, error) {
	c := control(b.seg.heap.control(b.off).Load())
	if c.generation() != b.generation || !c.used() {
		return c, fmt.Errorf("%v: generation is %d now: %w", b.Ref(), c.generation(), ErrStale)
	}
	return c, nil
}

// Current reports whether the block was not freed since it was found: what was copied of it before is what it held.
func (b Block) Current() bool {
	c := control(b.seg.heap.control(b.off).Load())
	return c.generation() == b.generation && c.used()
}

// Owner is whether the block is this attach's, and whether it is anybody's.
func (b Block) Owner() (mine, anybodys bool) {
	c, err := b.look()
	return err == nil && c.owner() == b.seg.heap.self.Load(), err == nil && c.owner() != 0
}

// Holder is the participant that a block belongs to, 0 if that is nobody, and there whether there is the block.
func (b Block) Holder() (o Owner, there bool) {
	c, err := b.look()
	for err == nil && c.owner() != 0 {
		slot := uint32(c.owner() & (1<<ownerSlotBits - 1))
		if slot >= b.seg.slots {
			return 0, false // no participant wrote this
		}
		if o := makeOwner(slot, uint32(b.seg.slot(slot).state.Load()>>8)); o.brief() == c.owner() {
			return o, true
		}
		// Who has left had all his blocks settled before the slot was anybody else's.
		was := c
		if c, err = b.look(); c == was {
			return 0, false
		}
	}
	return 0, err == nil
}

// move swaps the control word for what to makes of it, as long as that is allowed.
func (b Block) move(to func(c control, self uint64) (control, bool)) error {
	self := b.seg.heap.self.Load()
	if self == 0 {
		return b.seg.Writable()
	}
	w := b.seg.heap.control(b.off)
	for {
		c, err := b.look()
		if err != nil {
			return b.seg.unlessClosed(err)
		}
		next, ok := to(c, self)
		if !ok {
			return b.seg.unlessClosed(b.notOurs(c))
		}
		if next == c || w.CompareAndSwap(uint64(c), uint64(next)) {
			return nil
		}
	}
}

func (b Block) notOurs(c control) error {
	return fmt.Errorf("%v is in state %d of another participant: %w", b.Ref(), c.state(), ErrInUse)
}

// Settle hands the block over to the segment: from here on nobody's death frees it. The owner may call it,
// and, of a block that is tied, anybody who has found it where it belongs. Settled once is settled: called
// again it does nothing.
func (b Block) Settle() error {
	return b.move(func(c control, self uint64) (control, bool) {
		switch {
		case c.state() == blockSettled, c.state() == blockGone, c.state() == blockEnding:
			return c, true
		case c.owner() == self && c.state() != blockDoomed, c.state() == blockTied:
			return c.with(blockSettled, 0), true
		}
		return c, false
	})
}

// Take makes a settled block this participant's: its death frees it.
func (b Block) Take() error { return b.seize(blockDraft) }

// Claim keeps others from taking a settled block, or claiming it. The death of whoever claimed it settles
// it again.
func (b Block) Claim() error { return b.seize(blockBound) }

func (b Block) seize(state uint64) error {
	if self := b.seg.heap.self.Load(); self != 0 {
		b.seg.heap.note()
		b.seg.heap.run((b.off - b.seg.heap.heap) >> b.seg.heap.shift).visit(self)
	}
	return b.move(func(c control, self uint64) (control, bool) {
		return c.with(state, self), c.state() == blockSettled
	})
}

// Tie says that this participant is about to store the block's place in the word at that offset, or to
// take it from there. It overwrites the first word of the block. The block is the participant's, by Alloc,
// Take or Claim, and is not tied already, but to the same word.
func (b Block) Tie(at uint64) error {
	s := b.seg
	if at%8 != 0 || at > s.m.size()-8 {
		return fmt.Errorf("tie to %#x: %w", at, ErrStale)
	}
	c, err := b.look()
	self := s.heap.self.Load()
	switch {
	case self == 0:
		return s.Writable()
	case err != nil:
		return s.unlessClosed(err)
	case c.owner() != self || c.state() != blockDraft && c.state() != blockBound:
		return s.unlessClosed(b.notOurs(c))
	}
	s.m.word(b.off).Store(at) // nobody else has it, so nobody else writes there
	return b.move(func(c control, self uint64) (control, bool) {
		return c.with(blockTied, self), c.owner() == self && (c.state() == blockDraft || c.state() == blockBound)
	})
}

// Link stores the block's place in the word at that offset, if that has from, and hands the block over; if
// it has something else, it frees the block and reports false. A death anywhere in it leaves the block
// linked and settled, or free.
func (b Block) Link(at, from uint64) (bool, error) {
	if err := b.Tie(at); err != nil {
		return false, err
	}
	if b.seg.m.word(at).CompareAndSwap(from, b.Place()) {
		err := b.Settle()
		if errors.Is(err, ErrStale) || errors.Is(err, ErrInUse) {
			err = nil // others have settled it, or are at it, and have taken it out since
		}
		return true, err
	}
	return false, b.drop()
}

// drop frees the block, object or not.
func (b Block) drop() error {
	c, err := b.look()
	if err != nil {
		return b.seg.unlessClosed(err)
	}
	return b.free(c & objectFlag)
}

// Word is the word at an offset, a multiple of 8 inside of the segment.
func (s *Segment) Word(at uint64) *word.Uint64 { return s.m.word(at) }

// Free gives the block back. Its owner may call it, and of a settled block anybody, once: then it fails with
// ErrStale. It does not wait for anybody.
func (b Block) Free() error {
	if b.seg.heap.freeSmall(b.off, b.generation) {
		return nil
	}
	return b.free(0)
}

// freeSmall frees a block of less than a run that is this attach's, or settled, and no more than that. It reports false if it is
// something else; then nothing was done.
func (h *heap) freeSmall(off uint64, generation uint32) bool {
	i := (off - h.heap) >> h.shift
	if off < h.heap || i >= h.seen.Load() {
		return false
	}
	w := h.run(i).load()
	word := h.control(off)
	c := control(word.Load())
	plain := c == makeControl(blockDraft, h.self.Load(), generation) || c == makeControl(blockSettled, 0, generation)
	if w.state() != runSmall || !plain || h.self.Load() == 0 || !word.CompareAndSwap(uint64(c), uint64(c.freed())) {
		return false
	}
	h.credit(i)
	return true
}

// free frees an object if flag is objectFlag, and else what is none.
func (b Block) free(flag control) error {
	var ends []Object
	err := b.freeAs(flag, false, &ends)
	if e := b.seg.demolish(ends); err == nil {
		err = e
	}
	return err
}

// freeAs is free, which appends to ends what is to be freed then. A block that kept something has let that go, or does so.
func (b Block) freeAs(flag control, empty bool, ends *[]Object) error {
	s := b.seg
	h := &s.heap
	self := h.self.Load()
	if self == 0 {
		return s.Writable()
	}
	i, size, w, err := h.extentOf(b.off)
	if err != nil {
		return s.unlessClosed(err)
	}
	word := h.control(b.off)
	for {
		c := control(word.Load())
		if c.generation() != b.generation || !c.used() || c.state() == blockDoomed {
			return s.unlessClosed(fmt.Errorf("%v was freed: generation is %d now: %w", b.Ref(), c.generation(), ErrStale))
		}
		if c.owner() != self && c.state() != blockSettled {
			return s.unlessClosed(b.notOurs(c))
		}
		if c&objectFlag != flag {
			return fmt.Errorf("%v is an object, or none: %w", b.Ref(), ErrKind)
		}
		if c&keepsFlag != 0 && !empty {
			if c.state() == blockBound {
				return s.unlessClosed(fmt.Errorf("%v is being freed: %w", b.Ref(), ErrStale))
			}
			if err := b.letGo(c, ends); err != errMoved {
				return err
			}
			continue
		}
		if w.state() == runLarge {
			if h.doom(i, size, w, c) {
				return nil
			}
		} else if word.CompareAndSwap(uint64(c), uint64(c.freed())) {
			h.credit(i)
			return nil
		}
	}
}

// credit counts a block that was freed, where nobody allocates, and gives the run up when it was the last.
// The look at the run's word comes behind the free, and pairs with (*heap).leave, which clears the flag
// before it counts: no block is left out.
func (h *heap) credit(i uint64) {
	w := h.run(i).load()
	if w&runCurrent != 0 {
		return
	}
	class, ok := w.cut()
	if n := h.run(i).freed.Add(1); ok && n >= h.blocksIn(class) {
		h.release(i)
	}
}

// doom frees a block of several runs.
func (h *heap) doom(i, size uint64, w runWord, c control) bool {
	self := h.self.Load()
	h.note()
	h.run(i).visit(self)
	doomed := c.with(blockDoomed, self) &^ (objectFlag | keepsFlag)
	if !h.control(h.runOffset(i)).CompareAndSwap(uint64(c), uint64(doomed)) {
		return false
	}
	// Until the runs are free, nobody but this attach, and its sweepers, touch them.
	n := h.span(size)
	h.empty(i, n, func(off runWord) {
		for k := n - 1; k > 0; k-- {
			r := h.run(i + k)
			if t := r.load(); t.state() == runTail && t.owner() == w.owner() {
				r.swap(t, t&^off)
			}
		}
		if h.run(i).swap(w, w&^off) {
			w &^= off
		}
	})
	h.unbind(i, w, doomed)
	return true
}
