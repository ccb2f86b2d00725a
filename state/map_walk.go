package state

import (
	"fmt"
	"math/bits"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/race"
)

// entry is a pair that a walk found.
type entry struct{ key, value uint64 }

// piece appends the pairs to all whose keys have a hash from lo on, as far as those have the home that lo has: each key
// that was there all the time once, whatever else was done. It returns where the next piece begins, 0 behind the last
// one.
func (t *table) piece(lo uint64, all []entry) (_ []entry, next uint64, err error) {
	for left := tries; left > 0; left-- {
		r := t.loadRoot()
		if err := t.check(r); err != nil {
			return nil, 0, t.seg.Sound(err)
		}
		level, cut := r.level(), r.cut()
		all = all[:0]
		same, end := true, false
		if cut > 0 && homeOf(lo, t.homes(level-1)) < cut {
			next = homeEnd(lo, t.homes(level-1))
			all, same, end = t.gather(level-1, cut, lo, next-1, all, &left)
		} else {
			next = homeEnd(lo, t.homes(level))
		}
		if same && !end {
			all, same, _ = t.gather(level, ^uint64(0), lo, next-1, all, &left)
		}
		if same && t.loadRoot() == r {
			if race.Enabled {
				t.acquire(lo)
			}
			return all, next, t.readable()
		}
	}
	return nil, 0, t.seg.Sound(fmt.Errorf("a bucket that changes without end: %w", ErrCorrupt))
}

// homeEnd is the first hash that has the home behind that of hash, 0 if that is the last one.
func homeEnd(hash, n uint64) uint64 {
	home := homeOf(hash, n) + 1
	if home >= n {
		return 0
	}
	q, rest := bits.Div64(home, 0, n)
	if rest > 0 {
		q++
	}
	return q
}

// gather appends the pairs of a level whose keys have hashes from lo to hi, up to bucket cut. Those whose keys are there
// already are the copies of a bucket that is being moved, or of keys that were taken out and came back. A bucket that was
// changed is looked at again, as often as is left. It reports whether none was changed the last time, and whether the way
// of all of them ends there.
func (t *table) gather(level, cut, lo, hi uint64, all []entry, left *int) (_ []entry, same, end bool) {
	last := homeOf(hi, t.homes(level))
	for p := homeOf(lo, t.homes(level)); p < cut; p++ {
		if p > last && p-last > reach {
			return all, true, true
		}
		b := t.at(level, p)
		if b == nil {
			if p >= last {
				return all, true, true
			}
			continue
		}
		h, had := header(0), len(all)
		for {
			raw := header(b.header.Load())
			h, all = raw.as(roleAt(level)), all[:had]
			for live := h.live(); live != 0; live &= live - 1 {
				pair := &b.pairs[bits.TrailingZeros64(live)]
				e := entry{pair.key.Load(), pair.value.Load()}
				if hash := t.hash(e.key); hash >= lo && hash <= hi && !among(all[:had], e.key) {
					all = append(all, e)
				}
			}
			if header(b.header.Load()) == raw {
				break
			}
			if *left--; *left <= 0 {
				return all, false, false
			}
			if *left%16 == 0 {
				runtime.Gosched()
			}
		}
		if p >= last && h.passed() == 0 {
			return all, true, true
		}
	}
	return all, true, false
}

func among(all []entry, key uint64) bool {
	for _, e := range all {
		if e.key == key {
			return true
		}
	}
	return false
}

// walk calls f with all pairs, until it returns false.
func (t *table) walk(f func(entry) bool) error {
	all := make([]entry, 0, 2*bucketSlots)
	for lo := uint64(0); ; {
		var err error
		if all, lo, err = t.piece(lo, all); err != nil {
			return err
		}
		for _, e := range all {
			if !f(e) {
				return nil
			}
		}
		if lo == 0 {
			return nil
		}
	}
}

// count counts the live slots of all buckets.
func (t *table) count() (n int, err error) {
	const looks = 8
	for range looks {
		r := t.loadRoot()
		if err := t.check(r); err != nil {
			return 0, t.seg.Sound(err)
		}
		level, cut := r.level(), r.cut()
		n = 0
		for p := range cut {
			n += t.liveIn(level-1, p)
		}
		for p := range t.size(level) {
			if p >= cut || p < doubled {
				n += t.liveIn(level, p)
			}
		}
		if cut > 0 {
			n -= t.copied(r)
		}
		if t.loadRoot() == r {
			break
		}
	}
	return max(n, 0), t.readable()
}

func (t *table) liveIn(level, p uint64) int {
	b := t.at(level, p)
	if b == nil {
		return 0
	}
	live := header(b.header.Load()).as(roleAt(level)).live()
	return bits.OnesCount64(live) + t.crowd(b, live)
}

// crowd is how many more pairs than slots there are in slots of a bucket.
func (t *table) crowd(b *bucket, live uint64) (n int) {
	if t.boxed {
		for ; live != 0; live &= live - 1 {
			n += pairsIn(b.pairs[bits.TrailingZeros64(live)].value.Load()) - 1
		}
	}
	return n
}

// copied is how many pairs of the bucket that is being moved are in the table of the level, too.
func (t *table) copied(r root) (n int) {
	b := t.at(r.level()-1, r.cut()-1)
	if b == nil || !t.moving(r) {
		return 0
	}
	for live := header(b.header.Load()).live(); live != 0; live &= live - 1 {
		key := b.pairs[bits.TrailingZeros64(live)].key.Load()
		if _, found, _, _ := t.lookAlong(key, t.hash(key), r.level(), ^uint64(0)); found {
			n += 1 + t.crowd(b, live&-live)
		}
	}
	return n
}

// consistent reports whether all pairs lie where they are looked for, and there once.
func (t *table) consistent() error {
	r := t.loadRoot()
	if err := t.check(r); err != nil {
		return err
	}
	for p := range r.cut() {
		if err := t.sound(r, r.level()-1, p); err != nil {
			return err
		}
	}
	for p := range t.size(r.level()) {
		if p < r.cut() && p >= doubled {
			continue
		}
		if err := t.sound(r, r.level(), p); err != nil {
			return err
		}
	}
	for p := range t.most(r.level()) {
		if err := t.recent(r, p); err != nil {
			return err
		}
	}
	return nil
}

// recent reports whether the p-th bucket of the row is of no other table than those of which there may be some.
func (t *table) recent(r root, p uint64) error {
	b := t.inRow(p)
	if b == nil {
		return nil
	}
	role := header(b.header.Load()) & roleMask
	age := (roleAt(r.level()) + roles - role) % roles
	oldest := header(3)
	switch {
	case p < r.dirty():
		oldest = 4
	case r.dirty() > 0:
		oldest = 0
	}
	if role != 0 && age > oldest && t.loadRoot() == r {
		return fmt.Errorf("map: bucket %d of the row is %d tables old: %w", p, age, ErrCorrupt)
	}
	return nil
}

// sound is consistent for one bucket. What changes under it is not judged.
func (t *table) sound(r root, level, p uint64) error {
	b := t.at(level, p)
	if b == nil {
		return nil
	}
	raw := header(b.header.Load())
	h := raw.as(roleAt(level))
	for live := h.live(); live != 0; live &= live - 1 {
		slot := bits.TrailingZeros64(live)
		key := b.pairs[slot].key.Load()
		hash := t.hash(key)
		_, found, same, _ := t.lookAlong(key, hash, level, ^uint64(0))
		_, before, _, _ := t.lookAlong(key, hash, level, p)
		another, here := b.find(h, key, hash)
		word, shift := tagPlace(slot)
		tag := b.tags[word].Load() >> shift & tagMask
		home := homeOf(hash, t.homes(level))
		twice := before || here && another != slot
		lost := p < home || p-home > reach || same && !found || twice || tag&tagClaimed == 0 && tag != tagOf(hash)
		var box error
		if t.boxed {
			box = t.soundBox(key, b.pairs[slot].value.Load())
		}
		same = header(b.header.Load()) == raw && t.loadRoot() == r
		if box != nil && same {
			return fmt.Errorf("map: bucket %d, slot %d: %w", p, slot, box)
		}
		if lost && same {
			return fmt.Errorf("map: key %#x with home %d lies in bucket %d, slot %d: %w", key, home, p, slot, ErrCorrupt)
		}
	}
	return nil
}
