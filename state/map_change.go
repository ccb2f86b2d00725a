package state

import (
	"fmt"
	"math/bits"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/race"
)

// set makes value that of key.
func (t *table) set(key, value uint64) error {
	hash := t.hash(key)
	if r := t.loadRoot(); r.rests() && t.self.Load() != 0 && t.setAtHome(r, key, value, hash) {
		return t.seg.Writable() // Close may have put its zeros under it
	}
	_, _, err := t.change(key, func(uint64, bool) (uint64, verdict) { return value, assign })
	return err
}

// setAtHome is set for a key that is at home, or not far from it, or goes there. It reports whether that was all.
func (t *table) setAtHome(r root, key, value, hash uint64) bool {
	const near = 4
	level := r.level()
	for home, p := homeOf(hash, t.homes(level)), uint64(0); p < near; p++ {
		b := t.at(level, home+p)
		if b == nil {
			return false
		}
		b.pairs[besides(lineOf(hash))].key.Load() // as in get
		b.pairs[lineOf(hash)].key.Load()
		raw := header(b.header.Load())
		h := raw.as(roleAt(level))
		slot, found := b.find(h, key, hash)
		if h.frozen() || !found && (p > 0 || !h.open()) && h.passed() == 0 {
			return false
		}
		if !found && h.passed() > 0 {
			continue
		}
		if t.loadRoot() != r {
			return false
		}
		live := h.live()
		if !found {
			slot = -1
		}
		j, o := t.take(b, raw, live, lineOf(hash), slot)
		if o != taken {
			return false
		}
		if found {
			live &^= 1 << slot
		}
		if !t.commit(b, raw, h.holding(live|1<<j), j, key, value, hash) {
			return false
		}
		if !found {
			t.inserted(hash, 0, 0)
		}
		return true
	}
	return false
}

// verdict is what is to be done with a key.
type verdict int

const (
	leave verdict = iota
	assign
	remove
	lost // what was to be looked at is not there any more: it is looked for again
)

// change does with a key what decide says, which is called with its value, and whether it is there, and again when that
// is another one, until nobody else was quicker. It returns what the last call was made with.
func (t *table) change(key uint64, decide func(value uint64, found bool) (uint64, verdict)) (was uint64, found bool, err error) {
	s := search{key: key, hash: t.hash(key)}
	var value uint64
	var v verdict
	asked := false
	for n, all := 0, 0; n < tries && all < endless; n, all = n+1, all+1 {
		if r := t.loadRoot(); all == 0 || r != s.root {
			err := t.check(r)
			if err == nil && all > 0 && !s.root.before(r) {
				err = fmt.Errorf("the root of a map was %#x, and is %#x: %w", s.root, r, ErrCorrupt)
			}
			if err != nil {
				return 0, false, t.seg.Sound(err)
			}
			s.root, n, s.beyond = r, 0, 0
		}
		if n%16 == 15 {
			runtime.Gosched()
		}
		o := t.seek(&s)
		if err := t.seg.Writable(); err != nil { // it may have met Close's zeros
			return 0, false, err
		}
		if o == again {
			continue
		}
		if o == frozen {
			if err := t.push(s.root); err != nil {
				return 0, false, t.seg.Sound(err)
			}
			continue
		}
		if race.Enabled {
			t.acquire(s.hash)
		}
		if !asked || s.value != was || s.found != found {
			asked, was, found = true, s.value, s.found
			value, v = decide(was, found)
		}
		if v == lost {
			asked = false
			continue
		}
		done := v == leave || v == remove && !s.found
		switch {
		case done:
		case o == crowded:
			err = t.push(s.root)
		case v == remove:
			done = t.remove(&s)
		default:
			done, err = t.store(&s, value, n)
		}
		if err != nil {
			return 0, false, t.seg.Sound(err)
		}
		if done {
			return was, found, t.seg.Writable()
		}
	}
	return 0, false, t.seg.Sound(fmt.Errorf("a bucket that changes without end: %w", ErrCorrupt))
}

// remove takes the pair out that a search found.
func (t *table) remove(s *search) bool {
	if race.Enabled {
		t.race.Release(s.hash)
	}
	next := s.h.holding(s.h.live() &^ (1 << s.slot))
	done := false
	if t.boxed {
		t.inherit(s.b, s.h.live(), false)
		done = t.swapBox(s, next)
	} else {
		done = s.b.header.CompareAndSwap(uint64(s.raw), uint64(next))
	}
	if done {
		t.unpass(s, s.n, false, true)
	}
	return done
}

// store puts the value where a search ended, for the n-th time. It reports false if it is to be looked for again.
func (t *table) store(s *search, value uint64, n int) (bool, error) {
	if s.b == nil {
		return false, t.provide(s.level, s.p)
	}
	if !s.found && !t.pass(s, n) {
		return false, nil
	}
	live := s.h.live()
	if t.boxed {
		t.inherit(s.b, live, false)
	}
	j, o := t.take(s.b, s.raw, live, lineOf(s.hash), s.slot)
	if s.found {
		live &^= 1 << s.slot
	}
	if o == taken && t.commitEither(s, s.h.holding(live|1<<j), j, value) {
		if !s.found {
			t.unpass(s, s.n, true, false)
		}
		if !s.found && !s.fixed {
			t.inserted(s.hash, s.n, s.steps)
		}
		return true, nil
	}
	if !s.found {
		t.unpass(s, s.n, true, true)
	}
	if o == claimed && n%16 == 15 {
		return false, t.makeRoom(s, n)
	}
	return false, nil
}

// taking is what an attempt to claim a slot came to.
type taking int

const (
	taken   taking = iota
	changed        // the header did
	claimed        // all slots are
)

// take claims a slot that is free under a header, if it can in the line of the slot first, or else in that besides it, or in that of
// then, unless that is -1. Which of them it is no CPU can guess, so there is no branch for it: one that was guessed wrong would be
// found out when the header is there, and what had been begun of the next call would be lost.
func (t *table) take(b *bucket, raw header, live uint64, first, then int) (slot int, o taking) {
	free := ^live & liveMask
	near, beside, there := free&(0xf<<uint(first)), free&(0xf<<uint(besides(first))), free&(0xf<<(uint(then)&^3))
	if slot, o = t.takeOf(b, raw, orElse(near, orElse(beside, orElse(there, free)))); o != claimed {
		return slot, o
	}
	return t.takeOf(b, raw, free)
}

// orElse is a, or b if a is 0, without a branch.
func orElse(a, b uint64) uint64 { return a | b&^uint64(int64(a|-a)>>63) }

func (t *table) takeOf(b *bucket, raw header, free uint64) (slot int, o taking) {
	for ; free != 0; free &= free - 1 {
		slot := bits.TrailingZeros64(free)
		was, ok := b.claim(slot, t.claim)
		if !ok {
			continue
		}
		if header(b.header.Load()) == raw {
			return slot, taken
		}
		b.setTag(slot, was) // it may be live
		return 0, changed
	}
	return 0, claimed
}

// commitEither is commit for a pair of words, or one in a box.
func (t *table) commitEither(s *search, next header, slot int, value uint64) bool {
	if t.boxed {
		return t.commitBox(s, next, slot, value)
	}
	return t.commit(s.b, s.raw, next, slot, s.key, value, s.hash)
}

// commit writes a pair to a slot that was claimed, and swaps the header for next, in which it is live.
func (t *table) commit(b *bucket, raw, next header, slot int, key, value, hash uint64) bool {
	if race.Enabled {
		t.race.Release(hash)
	}
	b.pairs[slot].put(key, value)
	ok := b.header.CompareAndSwap(uint64(raw), uint64(next))
	b.setTag(slot, tagOf(hash))
	return ok
}

// pass passes the buckets on the way of a key that goes behind them. It reports whether they all were as the search saw
// them; else nothing was changed.
func (t *table) pass(s *search, n int) bool {
	for i := range s.n {
		w := s.way[i]
		h := w.raw.as(s.role(i))
		// The maximum stays; so others are waited for, but for those who are stopped, or dead.
		patient := h.passing() == passingMax-1 && n < tries/16
		if patient || !w.b.header.CompareAndSwap(uint64(w.raw), uint64(h.pass())) {
			t.unpass(s, i, true, true)
			return false
		}
	}
	return true
}

// role is that of the i-th bucket on the way.
func (s *search) role(i int) header {
	if i < s.before {
		return roleAt(s.root.level() - 1)
	}
	return roleAt(s.root.level())
}

// unpass says of the first n buckets on the way that the key is through, or that it does not lie behind them any more, or
// both.
func (t *table) unpass(s *search, n int, through, back bool) {
	for i := range n {
		level, cut := s.root.level(), ^uint64(0)
		p := homeOf(s.hash, t.homes(level)) + uint64(i-s.before)
		if i < s.before {
			level--
			p = homeOf(s.hash, t.homes(level)) + uint64(i)
		}
		for b := s.way[i].b; ; {
			h := header(b.header.Load())
			switch r := t.loadRoot(); {
			case r.level() == level+1:
				cut = r.cut()
			case r.level() != level:
				cut = 0
			}
			// A bucket of the level before that was moved is somebody else's by now.
			if p >= cut || h&roleMask != roleAt(level) || h.frozen() ||
				b.header.CompareAndSwap(uint64(h), uint64(h.unpass(through, back))) {
				break
			}
		}
	}
}

// makeRoom helps one who finds all free slots of a bucket claimed: the claims of the dead are taken back. If there are
// none, a key that is missing goes further on. The bucket of one that is there is moved; but the table does not begin to
// grow for that before so many tries that those with the claims must be stopped, and not just many.
func (t *table) makeRoom(s *search, n int) error {
	freed := t.inherit(s.b, s.h.live(), true)
	switch {
	case freed:
		return nil
	case !s.found:
		s.beyond = s.n + 1
		return nil
	case n < tries/16 && s.root.rests():
		return nil
	}
	return t.push(s.root)
}

// inherit takes back what the dead claim of the free slots of a bucket, and reports whether there was any. Unless it is to ask,
// which takes a system call, these are those that are known to be dead.
func (t *table) inherit(b *bucket, live uint64, ask bool) (freed bool) {
	if !b.claimed() {
		return false
	}
	for free := ^live & liveMask; free != 0; free &= free - 1 {
		slot := bits.TrailingZeros64(free)
		word, shift := tagPlace(slot)
		tag := b.tags[word].Load() >> shift & tagMask
		if tag&tagClaimed == 0 || tag == t.claim {
			continue
		}
		if !ask && t.seg.Tagged(uint16(tag&^tagClaimed)) != 0 || t.claimant(tag) || !b.inherit(slot, tag, t.claim) {
			continue
		}
		if t.claimant(tag) {
			b.inherit(slot, t.claim, tag) // one who came since, with the same tag; from here on none could
			continue
		}
		// The dead one may have committed before he died, behind the search.
		now := uint64(0)
		if header(b.header.Load()).live()&(1<<slot) != 0 {
			now = tagOf(t.hash(b.pairs[slot].key.Load()))
		} else if t.boxed {
			t.tidy(b, slot)
		}
		b.setTag(slot, now)
		freed = true
	}
	return freed
}

// claimant reports whether there is a participant whose claim that may be.
func (t *table) claimant(tag uint64) bool {
	o := t.seg.Tagged(uint16(tag &^ tagClaimed))
	return o != 0 && !t.seg.Gone(o)
}
