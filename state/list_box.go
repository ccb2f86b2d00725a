package state

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Elements that are no plain memory lie in boxes: a block of the heap for each, with the intent, how many bytes the codec
// wrote, and those. The slot has the box's place. What makes it safe to say who frees a box is that the place has the
// box's generation, so one that was freed is not freed again:
//
//	named by                                        the box is
//	the slot of an element                          the element's
//	the spare, pending                              the element's; that in the slot is nobody's any more
//	another slot of the block that counts           nobody's: whoever writes to the slot frees it first
//	a slot of the other block, and by no element    nobody's: it is freed before the block is
//	the spare, nothing pending, not by its slot     nobody's: whoever has the lock next frees it
//
// A box that nobody frees on these grounds has a process that does: it is a draft, or tied to the word that it is about to
// be named by.

// boxHead is how many bytes a box has before the element's; in one that may keep an object there are keepHead more behind
// the intent, which say which.
const (
	boxHead  = 16
	keepHead = 16
)

// box makes a box with those bytes, which is this process's until it is handed over.
func (l *list) box(element []byte) (segment.Block, error) {
	var places []uint64
	if l.keeper != nil {
		place, err := l.seg.Keepable(l.keeper(element))
		if err != nil {
			return segment.Block{}, err
		}
		if place != 0 {
			places = append(places, place)
		}
	}
	b, err := l.seg.Alloc(l.boxHead()+uint64(len(element)), 0)
	if err != nil {
		return b, err
	}
	memory := b.Bytes()
	*wordAt(memory, l.boxHead()-8) = uint64(len(element))
	copy(memory[l.boxHead():], element)
	if err := b.Keep(places); err != nil {
		return b, errors.Join(err, b.Free())
	}
	return b, nil
}

// boxHead is how many bytes a box has before the element's.
func (l *list) boxHead() uint64 {
	if l.keeper != nil {
		return boxHead + keepHead
	}
	return boxHead
}

// unbox is what is in the box that a word names. The memory may become somebody else's at any time.
func (l *list) unbox(place uint64) ([]byte, error) {
	b, err := l.seg.BlockAt(place)
	if err != nil || place&7 != 0 {
		return nil, fmt.Errorf("no element at %#x: %w", place, ErrCorrupt)
	}
	memory := b.Bytes()
	head := l.boxHead()
	n := peek(wordAt(memory, head-8))
	if n > b.Size()-head {
		return nil, fmt.Errorf("element of %d bytes in a block of %d: %w", n, b.Size(), ErrCorrupt)
	}
	src := memory[head:][:n]
	if !plainWords {
		private := make([]byte, n) // by loads that come before the next look at the sequence
		copyOut(private, src)
		src = private
	}
	return src, nil
}

// hand writes a box's place to the word w, at offset at in the segment, and gives the box up.
func (l *list) hand(b segment.Block, at uint64, w *uint64) error {
	if err := b.Tie(at); err != nil {
		return err
	}
	*w = b.Place()
	return b.Settle()
}

// release frees the block that a word names, if it is one still.
func (l *list) release(place uint64) {
	if place == 0 || place&7 != 0 {
		return
	}
	if b, err := l.seg.BlockAt(place); err == nil {
		_ = b.Free()
	}
}

// word is slot k of e, and where it lies in the segment.
func (l *list) word(e *slots, k uint64) (w *uint64, at uint64) {
	return wordAt(l.at(e, k, 1), 0), e.block.Offset() + listHead + k*l.stride
}

// putBoxes hands boxes over to slots of the block that counts, from k on, around the end, which no element is in.
func (l *list) putBoxes(e *slots, k uint64, boxes []segment.Block) error {
	for _, b := range boxes {
		if k == e.capacity {
			k = 0
		}
		w, at := l.word(e, k)
		l.release(*w)
		if err := l.hand(b, at, w); err != nil {
			return err
		}
		k++
	}
	return nil
}

// drop frees the boxes of elements i to j of what the list was.
func (l *list) drop(was *version, i, j uint64) {
	for ; i < j; i++ {
		w, _ := l.word(was.slots, was.slot(i))
		l.release(*w)
	}
}

// giveUp frees the block that the other header names, and the boxes that it names and no element does.
func (l *list) giveUp(place uint64, v *version) {
	e, err := l.find(place)
	if err != nil {
		return
	}
	if l.boxed {
		used := make(map[uint64]bool)
		for i := range v.length {
			w, _ := l.word(v.slots, v.slot(i))
			used[*w] = true
		}
		if v.pending != 0 {
			used[*l.spareWord()] = true
		}
		for k := range e.capacity {
			if w, _ := l.word(e, k); !used[*w] {
				l.release(*w)
			}
		}
	}
	_ = e.block.Free()
}

// The spare of a list of boxes is a box's place, and 1 + the slot that it is for.

func (l *list) spareWord() *uint64 { return wordAt(bytesAt(l.spare, 0, 16), 0) }
func (l *list) spareSlot() *uint64 { return wordAt(bytesAt(l.spare, 0, 16), 8) }

// setBox makes what is in a box the element in slot k, as set does.
func (l *list) setBox(v *version, k uint64, b segment.Block) error {
	*l.spareSlot() = k + 1
	if err := l.hand(b, l.off+listSize, l.spareWord()); err != nil {
		return err
	}
	v.pending = k + 1
	l.commit(v)
	l.redoBox(v)
	return nil
}

// redoBox gives the slot that is pending the spare's box, and frees that which it had, where nobody looks meanwhile.
func (l *list) redoBox(v *version) {
	w, _ := l.word(v.slots, v.pending-1)
	if spare := *l.spareWord(); *w != spare {
		l.release(*w)
		*w = spare
	}
	v.pending = 0
	l.commit(v)
	*l.spareWord() = 0
}

// mendSpare frees a box of one who died before he committed it.
func (l *list) mendSpare(v *version) {
	spare := *l.spareWord()
	if spare == 0 || v.pending != 0 {
		return
	}
	k := *l.spareSlot() - 1
	named := false
	if k < v.capacity {
		w, _ := l.word(v.slots, k)
		named = *w == spare
	}
	if !named {
		l.release(spare)
	}
	*l.spareWord() = 0
}
