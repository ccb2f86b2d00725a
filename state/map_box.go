package state

import (
	"bytes"
	"fmt"
	"math"
	"runtime"

	"github.com/zeebo/xxh3"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// A pair that is not two words lies in a box, a block of the heap. The slot has a word for the key, and the box's place. A
// key that is a word is that word itself. Of another one it is the hash of its bytes; keys that have the same hash have
// one box, so a slot has a word that no other slot has, here too. The place's low three bits say how many pairs there are
// in the box, less one. Of each there is a word, with the bytes of the key in its low half and those of the value in the
// other; the bytes of the key, unless it is the slot's word; those of the value; and what is missing to a multiple of 8.
//
// What is in a box never changes: a new value goes into another one. A box is
//
//	draft p    p's, who fills it
//	settled    named by the slot that p claims, until p has swapped the header
//	settled    live: named by the slot of its key that is live, and perhaps by others, in which it was, or was to be
//	settled    nobody's: there is no such slot. It never becomes live again
//	free
//
// and changes
//
//	from     to        who
//	draft    settled   p, when the slot that it claims names the box
//	settled  live      p, by the swap of the header
//	settled  draft     p, when the swap failed; then p takes the place out of the slot, and gives that up
//	live     nobody's  whoever changes the value, or deletes the key, by the swap of the header
//	nobody's free      who made it so; or whoever claims a slot that names it, by a look for its key: it is not there, or with
//	                   another box. If both come, the heap's word for the block decides
//	draft    free      p, or the heap's sweep, when p is dead
//
// The look for the key holds wherever the slot is, and whatever the place there is left from: a bucket that was moved has the
// boxes that are live where they went. A box that is not live yet is named by no slot but the one that p claims. So one
// that is settled, named by a slot that somebody else claims, and not live, is nobody's.

const (
	// inBox is mapState's size of keys, or values, that are no words.
	inBox = math.MaxUint32
	// mostInBox is how many pairs a box has at most.
	mostInBox = 8

	pairHead = 8
)

// hashOf is the word of a key that is none.
func (t *table) hashOf(key []byte) uint64 { return xxh3.HashSeed(key, t.raw) }

// unpack is what is in the box that a word names. Its memory may become somebody else's at any time: then the block is not
// current any more.
func (t *table) unpack(place uint64) (segment.Block, []byte, bool) {
	b, err := t.seg.BlockAt(place)
	if err != nil {
		return b, nil, false
	}
	memory := b.Bytes()
	if !plainWords {
		private := make([]byte, len(memory)) // by loads that come before the look at whether the block is current
		copyOut(private, memory)
		memory = private
	}
	if t.keeps {
		head := segment.KeepHead(int(min(peek(wordAt(memory, 8)), mostInBox)))
		memory = memory[min(head, uint64(len(memory))):]
	}
	return b, memory, true
}

// keptIn is what n pairs keep.
func (t *table) keptIn(memory []byte, n int) (places []uint64, err error) {
	for range n {
		_, value, rest, err := cutPair(memory)
		if err != nil {
			return nil, err
		}
		place, err := t.seg.Keepable(t.keeper(value))
		if err != nil {
			return nil, err
		}
		if place != 0 {
			places = append(places, place)
		}
		memory = rest
	}
	return places, nil
}

// pairsIn is how many pairs there are in the box that a word names.
func pairsIn(place uint64) int { return int(place&(mostInBox-1)) + 1 }

// cutPair is the pair that memory begins with, and what follows.
func cutPair(memory []byte) (key, value, rest []byte, err error) {
	if len(memory) < pairHead {
		return nil, nil, nil, fmt.Errorf("no room for a pair in its box: %w", ErrCorrupt)
	}
	w := peek(wordAt(memory, 0)) // once: it may change
	k, v := w&math.MaxUint32, w>>32
	memory = memory[pairHead:]
	if n := uint64(len(memory)); k+v > n {
		return nil, nil, nil, fmt.Errorf("key of %d bytes and value of %d in a box with room for %d: %w", k, v, n, ErrCorrupt)
	}
	return memory[:k:k], memory[k : k+v : k+v], memory[min(alignUp(k+v), uint64(len(memory))):], nil
}

// pick is the value of a key in a box.
func pick(memory []byte, n int, key []byte) (value []byte, found bool, err error) {
	for range n {
		k, v, rest, err := cutPair(memory)
		if err != nil {
			return nil, false, err
		}
		if bytes.Equal(k, key) {
			return v, true, nil
		}
		memory = rest
	}
	return nil, false, nil
}

// others is a copy of the pairs of a box whose key is another one.
func others(memory []byte, n int, key []byte) (rest []byte, left int, err error) {
	for range n {
		k, v, next, err := cutPair(memory)
		if err != nil {
			return nil, 0, err
		}
		if !bytes.Equal(k, key) {
			rest = append(rest, memory[:pairHead+alignUp(uint64(len(k)+len(v)))]...)
			left++
		}
		memory = next
	}
	return rest, left, nil
}

// missed is the error of a call that finds a box that was freed under a slot that names it still.
func missed(place uint64) error { return fmt.Errorf("no box at %#x: %w", place, ErrCorrupt) }

func endlessly() error { return fmt.Errorf("a box that changes without end: %w", ErrCorrupt) }

// packing is a change of a pair that is in a box, as (*table).change asks for it.
type packing struct {
	t      *table
	key    []byte
	looks  bool // decide is to be told the value
	decide func(was []byte, found bool) (now []byte, then verdict, err error)

	was   []byte
	stale uint64 // a place at which there was no box
	err   error

	box   segment.Block // a draft
	made  bool          // there is one
	alone bool          // now is all that is in it
	now   []byte
	then  verdict // the last
}

// change does with a key what p says.
func (p *packing) change(word uint64) error {
	done := false
	defer func() {
		if p.made && (!done || p.then != assign) {
			_ = p.box.Free()
		}
	}()
	_, _, err := p.t.change(word, p.repack)
	done = err == nil
	if err == nil {
		err = p.err
	}
	return err
}

// repack says what is to be done with the box of a key's word.
func (p *packing) repack(place uint64, found bool) (uint64, verdict) {
	place, p.then, p.err = p.repacked(place, found)
	if p.err != nil {
		p.then = leave
	}
	return place, p.then
}

func (p *packing) repacked(place uint64, found bool) (uint64, verdict, error) {
	var was, rest []byte
	left, had := 0, false
	if found {
		b, memory, ok := p.t.unpack(place)
		if !ok {
			if p.stale == place {
				return 0, leave, missed(place)
			}
			p.stale = place
			return 0, lost, nil
		}
		n := pairsIn(place)
		value, there, err := pick(memory, n, p.key)
		if had = there; err == nil && p.looks && had {
			p.was = append(p.was[:0], value...)
			was = p.was
		}
		if err == nil && (n > 1 || !had) {
			rest, left, err = others(memory, n, p.key)
		}
		if !b.Current() {
			return 0, lost, nil
		}
		if closed := p.t.seg.Writable(); closed != nil { // these may have been Close's zeros
			return 0, leave, closed
		}
		if err != nil {
			return 0, leave, err
		}
	}
	now, then, err := p.decide(was, had)
	switch {
	case err != nil || then == leave || then == remove && !had:
		return 0, leave, err
	case then == remove && left == 0:
		return 0, remove, nil
	case then == remove:
		return p.pack(nil, nil, false, rest, left)
	}
	return p.pack(p.key, now, true, rest, left)
}

// pack makes a box.
func (p *packing) pack(key, value []byte, mine bool, rest []byte, left int) (uint64, verdict, error) {
	size := uint64(len(rest))
	if mine {
		size += pairHead + alignUp(uint64(len(key)+len(value)))
		left++
	}
	if left > mostInBox || uint64(len(key)) > math.MaxUint32 || uint64(len(value)) > math.MaxUint32 {
		return 0, leave, fmt.Errorf("%d pairs, one of %d and %d bytes, in a box: %w", left, len(key), len(value), segment.ErrNoSpace)
	}
	alone := mine && left == 1
	if p.made && alone && p.alone && bytes.Equal(value, p.now) {
		return p.box.Place(), assign, nil
	}
	if p.made {
		p.made = false
		if err := p.box.Free(); err != nil {
			return 0, leave, err
		}
	}
	if p.t.keeps {
		size += segment.KeepHead(left)
	}
	b, err := p.t.alloc(size)
	if err != nil {
		return 0, leave, err
	}
	p.box, p.made, p.alone, p.now = b, true, alone, value
	memory := b.Bytes()
	if !p.t.keeps {
		fillBox(memory, key, value, mine, rest)
		return b.Place() | uint64(left-1), assign, nil
	}
	// How much the head takes is known when the pairs are there.
	fillBox(memory[segment.KeepHead(left):], key, value, mine, rest)
	places, err := p.t.keptIn(memory[segment.KeepHead(left):], left)
	if err != nil {
		return 0, leave, err
	}
	if head := segment.KeepHead(len(places)); len(places) < left {
		copy(memory[head:], memory[segment.KeepHead(left):size])
	}
	return b.Place() | uint64(left-1), assign, b.Keep(places)
}

// fillBox writes the pairs of a box.
func fillBox(memory, key, value []byte, mine bool, rest []byte) {
	if mine {
		*wordAt(memory, 0) = uint64(len(value))<<32 | uint64(len(key))
		n := copy(memory[pairHead:], key)
		n += copy(memory[pairHead+n:], value)
		memory = memory[pairHead+alignUp(uint64(n)):]
	}
	copy(memory, rest)
}

// commitBox is commit for a pair in a box, which is this participant's draft, or, when a bucket is moved, live.
func (t *table) commitBox(s *search, next header, slot int, place uint64) bool {
	if race.Enabled {
		t.race.Release(s.hash)
	}
	t.tidy(s.b, slot)
	p := &s.b.pairs[slot]
	p.putBox(s.key, place)
	if s.fixed {
		ok := s.b.header.CompareAndSwap(uint64(s.raw), uint64(next))
		s.b.setTag(slot, tagOf(s.hash))
		return ok
	}
	b, err := t.seg.BlockAt(place)
	ok := err == nil && b.Settle() == nil // from here on the slot says that the box is there
	if ok = ok && t.swapBox(s, next); !ok {
		_ = b.Take()
		p.value.Store(0)
	}
	s.b.setTag(slot, tagOf(s.hash))
	return ok
}

// swapBox swaps the header that a search saw, and frees the box of the slot that it found, which is not live then. It claims that
// slot, if it can: so whoever finds the claim of one who died in it frees the box.
func (t *table) swapBox(s *search, next header) bool {
	was, held := uint64(0), false
	if s.found {
		was, held = s.b.claim(s.slot, t.claim)
	}
	ok := s.b.header.CompareAndSwap(uint64(s.raw), uint64(next))
	if ok && s.found {
		t.release(s.value)
	}
	if ok && held {
		s.b.pairs[s.slot].value.Store(0)
	}
	if held {
		s.b.setTag(s.slot, was) // it may be live
	}
	return ok
}

// putBox writes the pair of a slot that this participant claims. One who dies in it leaves no place beside the word of
// another key.
func (p *pair) putBox(key, place uint64) {
	p.value.Store(0)
	p.key.Store(key)
	p.value.Store(place)
}

// tidy frees the box that a slot names which this participant claims, and which is not live, if it is nobody's.
func (t *table) tidy(b *bucket, slot int) {
	p := &b.pairs[slot]
	place := p.value.Load()
	if place == 0 {
		return
	}
	box, err := t.seg.BlockAt(place)
	if err != nil {
		return // it was freed
	}
	if _, somebodys := box.Owner(); somebodys {
		return
	}
	if now, found, err := t.get(p.key.Load()); err == nil && !(found && now == place) {
		_ = box.Free()
	}
}

// release frees a box that this participant has taken out, unless somebody who claims its slot has.
func (t *table) release(place uint64) {
	if b, err := t.seg.BlockAt(place); err == nil {
		_ = b.Free()
	}
}

// soundBox reports whether there is a box under a word, with pairs that have that word.
func (t *table) soundBox(word, place uint64) error {
	b, memory, ok := t.unpack(place)
	if !ok {
		return missed(place)
	}
	if _, somebodys := b.Owner(); somebodys {
		return fmt.Errorf("the box at %#x is somebody's: %w", place, ErrCorrupt)
	}
	keyed := t.state.keySize == inBox
	for range pairsIn(place) {
		key, _, rest, err := cutPair(memory)
		if err != nil {
			return err
		}
		if keyed && t.hashOf(key) != word || !keyed && len(key) > 0 {
			return fmt.Errorf("a key in the box at %#x is another one's: %w", place, ErrCorrupt)
		}
		memory = rest
	}
	return nil
}

// openBox calls f with what is in a box, whose error counts if it was the same all the time.
func (t *table) openBox(place uint64, f func(memory []byte, n int) (bool, error)) (found, same bool, err error) {
	b, memory, ok := t.unpack(place)
	if !ok {
		return false, false, nil
	}
	found, err = f(memory, pairsIn(place))
	if same = b.Current(); same {
		if closed := t.readable(); closed != nil { // these may have been Close's zeros
			err = closed
		}
	}
	return found, same, err
}

// each calls f with what is in the box of a word, until that was the same all the time.
func (t *table) each(word uint64, f func(memory []byte, n int) (bool, error)) (bool, error) {
	stale := uint64(0)
	for i := range tries {
		place, found, err := t.get(word)
		if err != nil || !found {
			return false, err
		}
		if place == stale {
			return false, t.seg.Sound(missed(place))
		}
		found, same, err := t.openBox(place, f)
		if same {
			return found, t.seg.Sound(err)
		}
		stale = place
		if i%16 == 15 {
			runtime.Gosched()
		}
	}
	return false, t.seg.Sound(endlessly())
}
