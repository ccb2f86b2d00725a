package state

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// A key lies in its home, or behind it. It is inserted in the first bucket from its home on that is open. Whoever goes
// further than a bucket passes it, by a swap of its header, before he inserts, and says so when he has. Thus
//
//   - a lookup ends at a bucket that nobody has passed, however much room there is by now;
//   - of two who insert one key, one comes too late: if they go to the same bucket, its header decides. If not, the one
//     who goes further passes the bucket that the other one goes to. If he does so before the other one reads its header,
//     that is not open until he is through, and then the other one finds the key behind it; if later, one of the two
//     swaps fails.
//
// While the table grows, the way goes through what is left of the table before, from the key's home in that, and then,
// if it has not ended before cut, through that of the level. Whoever is to change something wipes what he comes by that is of
// a table that was cleared.

const (
	tries   = 1 << 16 // for a step that others change something under, and nothing more
	endless = 1 << 28 // steps of one call
)

// get looks for a key. It waits for nobody.
func (t *table) get(key uint64) (value uint64, found bool, err error) {
	hash := t.hash(key)
	r := t.loadRoot()
	if r.rests() {
		level := r.level()
		if b := t.at(level, homeOf(hash, t.homes(level))); b != nil {
			b.pairs[besides(lineOf(hash))].key.Load() // so that the three lines are on their way at the same time
			b.pairs[lineOf(hash)].key.Load()
			raw := header(b.header.Load())
			h := raw.as(roleAt(level))
			slot, found := b.find(h, key, hash)
			if found {
				value = b.pairs[slot].value.Load()
			}
			if (found || h.passed() == 0) && header(b.header.Load()) == raw && t.loadRoot() == r {
				if race.Enabled {
					t.acquire(hash)
				}
				if found || t.self.Load() != 0 { // else it may have been Close's zeros
					return value, found, nil
				}
			}
		}
	}
	return t.getSlow(key, hash)
}

func (t *table) getSlow(key, hash uint64) (value uint64, found bool, err error) {
	for i := range tries {
		r := t.loadRoot()
		if err := t.check(r); err != nil {
			return 0, false, t.seg.Sound(err)
		}
		value, found, same := t.look(key, hash, r)
		if same && t.loadRoot() == r {
			if race.Enabled {
				t.acquire(hash)
			}
			return value, found, t.readable()
		}
		if i%16 == 15 {
			runtime.Gosched()
		}
	}
	return 0, false, t.seg.Sound(fmt.Errorf("a bucket that changes without end: %w", ErrCorrupt))
}

// acquire is for who has seen what there is of a hash, and so, perhaps, a clear.
func (t *table) acquire(hash uint64) {
	t.race.Acquire(hash)
	t.race.Acquire(cleared)
}

// cleared stands for all hashes.
const cleared = 0

// readable is ErrClosed if what was read may have been Close's zeros, or an extent that was not looked at because of it.
func (t *table) readable() error {
	if err := t.seg.Writable(); err != nil && !errors.Is(err, segment.ErrReadOnly) {
		return err
	}
	return nil
}

// look goes the way of a key once, under a root. It reports whether nothing was changed under it.
func (t *table) look(key, hash uint64, r root) (value uint64, found, same bool) {
	level := r.level()
	if cut := r.cut(); cut > 0 {
		value, found, same, end := t.lookAlong(key, hash, level-1, cut)
		if end || !same {
			return value, found, same
		}
	}
	value, found, same, _ = t.lookAlong(key, hash, level, ^uint64(0))
	return value, found, same
}

// lookAlong looks in the buckets of a level, up to cut. It reports whether the way ends there.
func (t *table) lookAlong(key, hash, level, cut uint64) (value uint64, found, same, end bool) {
	home := homeOf(hash, t.homes(level))
	for p := home; p < cut; p++ {
		if p-home > reach {
			return 0, false, true, true
		}
		b := t.at(level, p)
		if b == nil {
			return 0, false, true, true
		}
		raw := header(b.header.Load())
		h := raw.as(roleAt(level))
		slot, found := b.find(h, key, hash)
		if found {
			value = b.pairs[slot].value.Load()
		}
		if header(b.header.Load()) != raw {
			return 0, false, false, false
		}
		if found || h.passed() == 0 {
			return value, found, true, true
		}
	}
	return 0, false, true, false
}

// outcome is what a search came to.
type outcome int

const (
	again     outcome = iota // something was changed meanwhile
	there                    // the key
	missing                  // the key; the search ended where it goes
	frozen                   // a bucket on the way is being moved
	crowded                  // there is no room within reach
	elsewhere                // it was to go on under one root alone, which is not the root any more
)

// search is what somebody who changes something knows of the way of a key.
type search struct {
	key, hash uint64
	root      root // it was checked
	fixed     bool // the way is that of root's level alone, and there is no other root
	beyond    int  // so many of the first buckets have no slot that can be had

	spot   // where the key is, or where it goes
	placed bool
	found  bool
	slot   int // if found, else -1
	value  uint64

	// the buckets on the way, of which those before the spot are passed
	way    [2*reach + 2]passedBucket
	steps  int
	before int // of them are of the level before
}

// spot is a bucket on a way.
type spot struct {
	b     *bucket // nil: its extent is not there
	raw   header
	h     header // raw, for the level
	level uint64
	p     uint64
	n     int // buckets on the way before it
}

type passedBucket struct {
	b   *bucket
	raw header
}

// seek goes the way of a key, under the root of the search.
func (t *table) seek(s *search) outcome {
	r := t.loadRoot()
	switch {
	case r == s.root:
	case s.fixed:
		return elsewhere
	default:
		return again
	}
	s.steps, s.before, s.placed, s.found, s.slot, s.value = 0, 0, false, false, -1, 0
	level, cut := r.level(), r.cut()
	o, end := again, false
	if cut > 0 && !s.fixed {
		o, end = t.seekAlong(s, level-1, cut)
		s.before = s.steps
	}
	if !end {
		o, _ = t.seekAlong(s, level, ^uint64(0))
	}
	if t.loadRoot() != r {
		return again
	}
	if o == crowded && s.placed {
		o = missing
	}
	return o
}

// seekAlong goes along the buckets of a level, up to cut. It reports whether the way ends there.
func (t *table) seekAlong(s *search, level, cut uint64) (o outcome, end bool) {
	home := homeOf(s.hash, t.homes(level))
	over := false // the key is nowhere behind
	for p := home; p < cut; p++ {
		if p-home > reach {
			return crowded, true
		}
		at := spot{b: t.at(level, p), level: level, p: p, n: s.steps}
		if at.b == nil {
			s.place(at)
			return missing, true
		}
		if s.root.dirty() > 0 {
			t.wipe(at.b, s.root)
		}
		at.raw = header(at.b.header.Load())
		at.h = at.raw.as(roleAt(level))
		if slot, found := at.b.find(at.h, s.key, s.hash); found && !over {
			s.value = at.b.pairs[slot].value.Load()
			s.spot, s.found, s.slot = at, true, slot
		}
		switch {
		case header(at.b.header.Load()) != at.raw:
			return again, true
		case at.h.frozen():
			return frozen, true
		case s.found:
			return there, true
		case at.h.open() && at.n >= s.beyond:
			s.place(at)
		}
		over = over || at.h.passed() == 0
		if over && s.placed {
			return missing, true
		}
		s.way[s.steps] = passedBucket{at.b, at.raw}
		s.steps++
	}
	return again, false
}

// place notes where the key goes if it is missing: to the first that comes.
func (s *search) place(at spot) {
	if !s.placed {
		s.spot, s.placed = at, true
	}
}
