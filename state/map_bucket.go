package state

import (
	"math/bits"
)

// header is the word that says what a bucket holds. A slot holds a pair if and only if its bit is set, and every
// change of what is in the bucket is one compare-and-swap of the header, which adds 1 to the version. The pair of a
// slot that is live never changes: a new value goes into another slot.
//
//	operation                   from                         to
//	insert                      live without i               live with i
//	change the value of slot i  live with i                  live with j in the place of i
//	delete                      live with i                  live without i
//	pass                        passed, passing              both + 1: a key whose home is here, or before, goes behind
//	have passed                 passing                      passing-1: it lies there
//	come back                   passed                       passed-1: it does not lie there any more
//	freeze                      not frozen                   frozen: no change from here on, until it is of another role
//	any of a new role           whatever is of another role  as if nothing was in it
//
// Whoever changes a bucket has looked for the key in it under the header that it swaps. So the key was still there,
// or still missing. Passed and passing stay at their maximum when they have come there.
type header uint64

const (
	roleMask    = 7 // of which table it is; 0: of none yet
	frozenFlag  = 1 << 3
	passedShift = 4
	passedMax   = 15
	passedStep  = 1 << passedShift
	passingMax  = 3
	passingStep = 1 << 8
	liveShift   = 10
	liveMask    = 1<<bucketSlots - 1
	versionStep = 1 << (liveShift + bucketSlots)

	// capacity is how many slots are live at most, so that there are two for values that change.
	capacity = bucketSlots - 2
)

// roles is how many there are. At any time there may be buckets in the row of the last five tables, and a new one
// must not take them for its own.
const roles = 7

// roleAt is the role of the buckets of a level, as a root has it.
func roleAt(level uint64) header { return header((level%levels+level/levels)%roles + 1) }

// as is h for those who look for a bucket of that role: if it is of another one, nothing is in it.
func (h header) as(role header) header {
	if h&roleMask == role {
		return h
	}
	return h&^(versionStep-1) | role
}

func (h header) live() uint64    { return uint64(h) >> liveShift & liveMask }
func (h header) passed() uint64  { return uint64(h) >> passedShift & passedMax }
func (h header) passing() uint64 { return uint64(h) / passingStep & passingMax }
func (h header) frozen() bool    { return h&frozenFlag != 0 }

// open reports whether a key can be inserted here that is missing, here and behind: there is room, and nobody is about
// to insert it behind.
func (h header) open() bool {
	return h&(frozenFlag|passingMax*passingStep) == 0 && bits.OnesCount64(h.live()) < capacity
}

// holding is h with other slots live.
func (h header) holding(live uint64) header {
	return h&^(liveMask<<liveShift) | header(live<<liveShift) + versionStep
}

// pass is h when somebody passes.
func (h header) pass() header {
	if h.passed() < passedMax {
		h += passedStep
	}
	if h.passing() < passingMax {
		h += passingStep
	}
	return h + versionStep
}

// unpass is h when somebody has passed, unless through is false, or has come back, unless back is.
func (h header) unpass(through, back bool) header {
	if back && 0 < h.passed() && h.passed() < passedMax {
		h -= passedStep
	}
	if through && 0 < h.passing() && h.passing() < passingMax {
		h -= passingStep
	}
	return h + versionStep
}

// Tags are claims, and hints. That of a slot is
//
//	0xxx...  15 bits of the hash of the pair that is there, or was
//	1ppp...  participant p (segment.Tag) writes to the slot, or is about to commit it, or has and has not said so yet
//
// and changes
//
//	from                   to    who
//	a hash                 p     p claims the slot; then the header must be the one that p has read
//	p                      hash  p, when it has committed, or will not
//	p                      q     q, when p is dead; then q looks whether the slot is live, and gives the claim up as p would
//
// A slot is free if it is not live and has no claim, so nothing is to be done behind a delete. Nobody but p writes to
// a slot that it claims, or to its tag: one who is stopped costs the bucket one slot, and its late stores are in
// nobody's way. A tag with a claim says nothing of the key: readers look at the key itself.
const (
	tagClaimed = 1 << 15
	tagMask    = 1<<16 - 1
)

// tagOf is the tag of a hash.
func tagOf(hash uint64) uint64 { return hash & (tagClaimed - 1) }

// candidatesByWord are the candidates, four tags at a time.
func (b *bucket) candidatesByWord(live, tag uint64) uint64 {
	want := tag * 0x0001_0001_0001_0001
	found := alike(b.tags[0].Load(), want)>>15 | alike(b.tags[1].Load(), want)>>14 | alike(b.tags[2].Load(), want)>>13 |
		alike(b.tags[3].Load(), want)>>12 | alike(b.tags[4].Load(), want)>>11 | alike(b.tags[5].Load(), want)>>10 |
		alike(b.tags[6].Load(), want)>>9
	const seven = 1<<tagWords - 1
	return (found&seven | found>>9&(seven<<7) | found>>18&(seven<<14) | found>>27&(seven<<21)) & live
}

// alike has the highest bit of those tags of a word set that are the wanted one, or claims.
func alike(tags, want uint64) uint64 {
	const low = 0x7fff_7fff_7fff_7fff
	return (^((tags^want)&low + low) | tags) &^ low
}

// find is the slot of a key under a header, as far as nothing changed meanwhile.
func (b *bucket) find(h header, key, hash uint64) (slot int, ok bool) {
	for c := b.candidates(h.live(), tagOf(hash)); c != 0; c &= c - 1 {
		if slot = bits.TrailingZeros64(c); b.pairs[slot].key.Load() == key {
			return slot, true
		}
	}
	return 0, false
}

// claimed reports whether there is a claim in any tag.
func (b *bucket) claimed() bool {
	all := uint64(0)
	for i := range b.tags {
		all |= b.tags[i].Load()
	}
	return all&(tagClaimed*0x0001_0001_0001_0001) != 0
}

// tagPlace is where the tag of a slot is.
func tagPlace(slot int) (word, shift uint) { return uint(slot) % tagWords, uint(slot) / tagWords * 16 }

// claim takes the slot if it is free, and returns the tag that it had. If somebody else has it, it returns his tag.
func (b *bucket) claim(slot int, self uint64) (was uint64, ok bool) {
	word, shift := tagPlace(slot)
	for {
		w := b.tags[word].Load()
		was = w >> shift & tagMask
		if was&tagClaimed != 0 {
			return was, false
		}
		if b.tags[word].CompareAndSwap(w, w&^(tagMask<<shift)|self<<shift) {
			return was, true
		}
	}
}

// inherit takes over the claim of somebody who is dead.
func (b *bucket) inherit(slot int, dead, self uint64) bool {
	word, shift := tagPlace(slot)
	for {
		w := b.tags[word].Load()
		if w>>shift&tagMask != dead {
			return false
		}
		if b.tags[word].CompareAndSwap(w, w&^(tagMask<<shift)|self<<shift) {
			return true
		}
	}
}
