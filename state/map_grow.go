package state

import (
	"fmt"
	"math/bits"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// When inserts find no room at home too often, somebody makes the root that of the next level. From then on every
// insert moves a few buckets, and a writer whose key is on its way to another bucket moves that. To move the bucket
// before cut: see to it that there are extents for its pairs; freeze it; for each of its pairs, insert it in the
// table of the level if its key is missing there; swap the root. Anybody may do so, any number at a time, and stop
// anywhere: each step is done or is not, and doing it again changes nothing.
//
// One who comes late might bring a key back that others have moved, and somebody has deleted since. He does not: he
// sees that the root is still the same after he read the header of the bucket where the key goes, so nobody had
// deleted it by then; and if others moved it there afterwards, that header is another one.

const (
	moves = 2 // buckets that an insert moves

	// Of inserts one in sampleEvery is looked at; when of samples such enough found no room at home, the table is
	// 80 % full.
	sampleEvery = 16
	samples     = 256
	enough      = samples * 35 / 100
)

// farthest is how far from home a key may be put, in a table of n homes, before it grows.
func farthest(n uint64) int {
	switch {
	case n < 64:
		return 0
	case n < 1024:
		return 4
	}
	return reach - 4
}

// inserted is called when a pair was inserted, so many buckets behind its home, at the end of a way of so many steps. The
// way may be longer, where keys were that are gone. That the table does not grow because
// there is no memory is the trouble of who needs it.
func (t *table) inserted(hash uint64, far, steps int) {
	r := t.loadRoot()
	if !r.rests() {
		t.assist()
		return
	}
	if steps > 0 && steps > farthest(t.homes(r.level())) {
		_ = t.push(r)
		return
	}
	if hash/tagClaimed%sampleEvery == 0 {
		t.sample(r, far)
	}
}

func (t *table) sample(r root, far int) {
	if far > 0 {
		t.met.Add(1)
	}
	if t.sampled.Add(1)%samples == 0 && t.met.Swap(0) >= enough {
		_ = t.push(r)
	}
}

// assist moves a few buckets, unless somebody else is at it, or wipes them.
func (t *table) assist() {
	for range moves {
		r := t.loadRoot()
		if r.rests() || t.check(r) != nil {
			return
		}
		if r.dirty() > 0 {
			if t.wipeNext(r) != nil {
				return
			}
			continue
		}
		if t.moving(r) && t.waited.Swap(uint64(r)) != uint64(r) {
			return // if it has not gone on by the next time, he may be dead, or stopped
		}
		if t.move(r) != nil {
			return
		}
	}
}

// moving reports whether somebody has begun to move the next bucket.
func (t *table) moving(r root) bool {
	b := t.at(r.level()-1, r.cut()-1)
	return b != nil && header(b.header.Load()).as(roleAt(r.level()-1)).frozen()
}

// push goes a step on from a root: it moves a bucket, or wipes one, or makes the table grow.
func (t *table) push(r root) error {
	switch {
	case r.dirty() > 0:
		return t.wipeNext(r)
	case r.cut() > 0:
		return t.move(r)
	}
	level := r.level()
	if !t.reaches(level + 1) {
		return fmt.Errorf("a map of %d buckets: %w", t.size(level), segment.ErrNoSpace)
	}
	next := makeRoot(level+1, t.size(level))
	if err := t.prepare(next); err != nil {
		return err
	}
	t.state.root.CompareAndSwap(uint64(r), uint64(next))
	return nil
}

// prepare sees to it that there are extents for the pairs of the next bucket, and for itself, which is to be frozen.
func (t *table) prepare(r root) error {
	level, b := r.level(), r.cut()-1
	if err := t.provide(level-1, b); err != nil {
		return err
	}
	old, now := t.homes(level-1), t.homes(level)
	from, to := scale(b-min(b, reach), now, old), t.size(level)-1
	if b+1 < old {
		to = scale(b+1, now, old)
	}
	for p := from; ; p += 1 << t.shift {
		if err := t.provide(level, min(p, to)); err != nil || p >= to {
			return err
		}
	}
}

// scale is p*n/of.
func scale(p, n, of uint64) uint64 {
	hi, lo := bits.Mul64(p, n)
	q, _ := bits.Div64(hi, lo, of)
	return q
}

// move moves the next bucket.
func (t *table) move(r root) error {
	if err := t.prepare(r); err != nil {
		return err
	}
	level, cut := r.level(), r.cut()
	b := t.at(level-1, cut-1)
	if b == nil { // it was there
		return fmt.Errorf("bucket %d of a map: %w", cut-1, ErrCorrupt)
	}
	h, ok := t.freeze(b, r)
	if !ok {
		return nil
	}
	if rest := t.carry(r, b, h.live()); rest != 0 {
		if there, err := t.copyAll(r, b, rest); err != nil || !there {
			return err
		}
	}
	t.state.root.CompareAndSwap(uint64(r), uint64(makeRoot(level, cut-1)))
	return nil
}

// freeze freezes the next bucket, and reports whether the root is still the same.
func (t *table) freeze(b *bucket, r root) (header, bool) {
	role := roleAt(r.level() - 1)
	for range tries {
		raw := header(b.header.Load())
		if t.loadRoot() != r {
			return 0, false
		}
		h := raw.as(role)
		if h.frozen() {
			return h, true
		}
		b.header.CompareAndSwap(uint64(raw), uint64(h+versionStep|frozenFlag))
	}
	return 0, false
}

// carry puts pairs of the bucket that is being moved into their homes, those of one home by one swap of its header. It
// returns the slots of those for which there was no room, or something was in the way.
func (t *table) carry(r root, from *bucket, live uint64) (rest uint64) {
	var hashes [bucketSlots]uint64
	for l := live; l != 0; l &= l - 1 {
		i := bits.TrailingZeros64(l)
		hashes[i] = t.hash(from.pairs[i].key.Load())
	}
	n := t.homes(r.level())
	for live != 0 {
		home, group := homeOf(hashes[bits.TrailingZeros64(live)], n), uint64(0)
		for l := live; l != 0; l &= l - 1 {
			if i := bits.TrailingZeros64(l); homeOf(hashes[i], n) == home {
				group |= 1 << i
			}
		}
		live &^= group
		if b := t.at(r.level(), home); b == nil || !t.carryTo(b, r, from, group, &hashes) {
			rest |= group
		}
	}
	return rest
}

// carryTo is carry for one home. It reports whether all pairs are there.
func (t *table) carryTo(b *bucket, r root, from *bucket, group uint64, hashes *[bucketSlots]uint64) bool {
	raw := header(b.header.Load())
	h := raw.as(roleAt(r.level()))
	if !h.open() || h.passed() > 0 || bits.OnesCount64(h.live())+bits.OnesCount64(group) > capacity {
		return false
	}
	var into [bucketSlots]int // the slots that the pairs of group go to
	free, chosen := ^h.live()&liveMask, uint64(0)
	for g := group; g != 0; g &= g - 1 {
		i := bits.TrailingZeros64(g)
		if h.live() != 0 {
			if _, there := b.find(h, from.pairs[i].key.Load(), hashes[i]); there {
				group &^= 1 << i
				continue
			}
		}
		line := lineOf(hashes[i])
		near := free & (0xf << line)
		if near == 0 {
			near = free & (0xf << besides(line))
		}
		if near == 0 {
			near = free
		}
		into[i] = bits.TrailingZeros64(near)
		free &^= 1 << into[i]
		chosen |= 1 << into[i]
	}
	// As in copy: nobody has deleted what was moved by others before the header was read.
	if header(b.header.Load()) != raw || t.loadRoot() != r {
		return false
	}
	if group == 0 {
		return true
	}
	if !t.takeAll(b, raw, chosen) {
		return false
	}
	put := group
	if t.boxed {
		put = 0
		t.carryBoxes(b, r, from, group, &into, hashes)
	}
	for g := put; g != 0; g &= g - 1 {
		i := bits.TrailingZeros64(g)
		if race.Enabled {
			t.race.Release(hashes[i])
		}
		b.pairs[into[i]].put(from.pairs[i].key.Load(), from.pairs[i].value.Load())
	}
	// The pairs were copied from a bucket that was not somebody else's by then.
	done := t.loadRoot() == r && b.header.CompareAndSwap(uint64(raw), uint64(h.holding(h.live()|chosen)))
	for g := group; g != 0; g &= g - 1 {
		i := bits.TrailingZeros64(g)
		b.setTag(into[i], tagOf(hashes[i]))
	}
	return done
}

// carryBoxes writes pairs of the bucket that is being moved, which have boxes, to slots that were claimed.
func (t *table) carryBoxes(b *bucket, r root, from *bucket, group uint64, into *[bucketSlots]int, hashes *[bucketSlots]uint64) {
	for ; group != 0; group &= group - 1 {
		i := bits.TrailingZeros64(group)
		if race.Enabled {
			t.race.Release(hashes[i])
		}
		t.tidy(b, into[i])
		// A box that is not live must not be named here, so the look at the root comes before.
		if key, place := from.pairs[i].key.Load(), from.pairs[i].value.Load(); t.loadRoot() == r {
			b.pairs[into[i]].putBox(key, place)
		}
	}
}

// takeAll claims slots that are free under a header, all or none.
func (t *table) takeAll(b *bucket, raw header, slots uint64) bool {
	var was [tagWords]uint64
	var mine uint64
	for word := range uint(tagWords) {
		// The tags of the word are those of slots word, word+7, word+14 and word+21.
		of := slots >> word & (1 | 1<<tagWords | 1<<(2*tagWords) | 1<<(3*tagWords))
		if of == 0 {
			continue
		}
		lanes := (of&1 | of>>tagWords&1<<16 | of>>(2*tagWords)&1<<32 | of>>(3*tagWords)&1<<48) * tagMask
		for {
			w := b.tags[word].Load()
			if w&lanes&(tagClaimed*0x0001_0001_0001_0001) != 0 {
				t.giveBack(b, mine, &was)
				return false
			}
			if b.tags[word].CompareAndSwap(w, w&^lanes|t.claim*0x0001_0001_0001_0001&lanes) {
				was[word] = w
				mine |= of << word
				break
			}
		}
	}
	if header(b.header.Load()) != raw {
		t.giveBack(b, mine, &was)
		return false
	}
	return true
}

// giveBack gives up claims, with the tags that were there.
func (t *table) giveBack(b *bucket, slots uint64, was *[tagWords]uint64) {
	for ; slots != 0; slots &= slots - 1 {
		slot := bits.TrailingZeros64(slots)
		word, shift := tagPlace(slot)
		b.setTag(slot, was[word]>>shift&tagMask)
	}
}

// copyAll is copy for some of the slots of the bucket that is being moved.
func (t *table) copyAll(r root, from *bucket, live uint64) (bool, error) {
	s := search{fixed: true, root: r}
	for ; live != 0; live &= live - 1 {
		p := &from.pairs[bits.TrailingZeros64(live)]
		s.key = p.key.Load()
		s.hash = t.hash(s.key)
		if there, err := t.copy(&s, p.value.Load()); err != nil || !there {
			return there, err
		}
	}
	return true, nil
}

// copy puts a pair of the bucket that is being moved into the table of the level. It reports false if the bucket was
// moved.
func (t *table) copy(s *search, value uint64) (bool, error) {
	s.beyond = 0
	for n := range tries {
		switch t.seek(s) {
		case elsewhere:
			return false, nil
		case there:
			return true, nil
		case crowded:
			return false, fmt.Errorf("no room for a pair within %d buckets: %w", reach, segment.ErrNoSpace)
		case missing:
			if done, err := t.store(s, value, n); err != nil || done {
				return done, err
			}
		}
		if err := t.seg.Writable(); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("a bucket that changes without end: %w", ErrCorrupt)
}
