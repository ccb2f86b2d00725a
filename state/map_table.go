package state

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// table is the buckets of a Map: those of its level, and, while it grows, those of the level before that were not
// moved yet. Both lie in one row of buckets. The row is made of extents, which are allocated when they are needed,
// and stay where they are. The table grows from the end of the row: the bucket that is moved next is the last one
// that was not, and its pairs go to where the row is free already. Clear makes a new table of the same level, in the
// same row, by one step: from then on nothing counts that is in a bucket of the table before. Each of these is wiped
// before anything is put there.
//
//	root                 of the level before   of the level, and empty if they do not say so
//	level, cut: growing  buckets below cut     from cut on
//	level, dirty         none                  all; below dirty, in the row, they may be yet to be wiped
//
// The root goes on
//
//	from             to                           when
//	level, 0         level+1, cut: size of level  the table is to grow
//	level, cut       level, cut-1                 bucket cut-1 is frozen, and its pairs are in the table of the level
//	level, any cut   level, dirty: end of row     all is cleared: there is one clear more in the root
//	level, dirty     level, dirty-1               that bucket of the row was wiped
//
// It never returns to what it was, as clears are counted: who finds the same root before and after has seen one table.
//
// The first buckets of the row would be moved on to themselves. So there are two of each of them, for even levels and
// for odd ones.
type table struct {
	seg   *segment.Segment
	self  *atomic.Uint64 // of the segment; 0 once it is closed
	state *mapState
	base  origin // of the segment
	seed  uint64 // of the hash, prepared
	claim uint64 // this attach's, as tags have it
	race  race.Word

	shift   uint   // an extent has 1<<shift buckets
	within  uint64 // the bits of a bucket's number in the row that say which of its extent it is
	listed  uint64 // extents of a list
	extents uint64 // that the lists have room for
	sizes   *[levels]uint64

	boxed  bool                 // pairs lie in boxes
	keeps  bool                 // which begin with what they keep
	keeper func([]byte) shm.Ref // what a value is to keep
	raw    uint64               // the seed, as it is there

	// known has the offsets of extents that were seen, by their number; 0: not yet. It is replaced by a longer one.
	known atomic.Pointer[[]atomic.Uint64]

	waited  atomic.Uint64 // a root at which somebody else was moving a bucket
	sampled atomic.Uint32 // inserts that were looked at, and
	met     atomic.Uint32 // those that found no room at home
}

const (
	levelBits = 8
	levels    = 1 << levelBits
	// stageBits are those of the level, and of how many clears there were, modulo clears.
	stageBits = 28
	clears    = roles << 17
	clearing  = 1 << 63 // what is left to do is to wipe buckets, not to move them

	// reach is how many buckets further than its home a key lies at most; so many follow the last home.
	reach = 40
	// doubled is how many of the first buckets there are twice. Pairs of bucket b of one level have homes from
	// b-reach on, and those times 6/5, in the next one, must lie behind b.
	doubled = 256
	// first is how many homes a new table has.
	first = 4
)

// sizesOf are the numbers of homes by level.
func sizesOf() *[levels]uint64 {
	var n [levels]uint64
	n[0] = first
	for i := 1; i < levels; i++ {
		if n[i] = n[i-1] * 2; n[i] > doubled {
			n[i] = min(n[i-1]+n[i-1]/growBy, 1<<48) // more than there is room for anywhere
		}
	}
	return &n
}

// growBy is which part of its size a table of more than a few buckets grows by.
const growBy = 5

// keySeed prepares a seed for hash.
func keySeed(seed uint64) uint64 {
	const secret = 0x1cad21f72c81017c ^ 0xdb979083e96dd4de
	return secret - (seed ^ uint64(bits.ReverseBytes32(uint32(seed)))<<32)
}

// hash is xxh3 of the 8 bytes of the key, with the seed.
func (t *table) hash(key uint64) uint64 {
	const prime = 0x9fb21c651e98df25
	h := bits.RotateLeft64(key, 32) ^ t.seed
	h ^= bits.RotateLeft64(h, 49) ^ bits.RotateLeft64(h, 24)
	h *= prime
	h ^= h>>35 + 8
	h *= prime
	return h ^ h>>28
}

// homeOf is which of n homes a hash has. Homes keep the order of hashes.
func homeOf(hash, n uint64) uint64 {
	home, _ := bits.Mul64(hash, n)
	return home
}

// lineOf is the first slot of the line of a bucket in which a key with that hash is to be if it has room: so it can be
// loaded while nothing is known of the bucket yet.
func lineOf(hash uint64) int { return int(hash >> 16 & 0xffff * (bucketSlots / 4) >> 16 * 4) }

// besides is the first slot of the line where a key goes for which there is no room in its line: the other one of 128 bytes, which
// many processors load along.
func besides(line int) int {
	beside := ((line + 4) ^ 4) - 4
	return beside + beside>>(bits.UintSize-1)&8 // -4 is the line of the header
}

// root is the value of mapState.root.
type root uint64

func makeRoot(level, cut uint64) root { return root(cut<<stageBits | level) }

// level is the level, and above it the clears that there were: all that says what of the row is of the table. That of the
// table before, while this one grows, is less by 1.
func (r root) level() uint64 { return uint64(r) % (1 << stageBits) }

// left is how many buckets are to be moved, or wiped.
func (r root) left() uint64 { return uint64(r&^clearing) >> stageBits }

// rests reports whether that is none.
func (r root) rests() bool { return r>>stageBits == 0 }

func (r root) cut() uint64 {
	if r&clearing != 0 {
		return 0
	}
	return r.left()
}

func (r root) dirty() uint64 {
	if r&clearing == 0 {
		return 0
	}
	return r.left()
}

// cleared is r behind a clear, where so many buckets are to be wiped.
func (r root) cleared(dirty uint64) root {
	n := (r.level()/levels + 1) % clears
	return clearing | makeRoot(n*levels|r.level()%levels, dirty)
}

// wiped is r when one bucket more is.
func (r root) wiped() root {
	if r.left() == 1 {
		return makeRoot(r.level(), 0)
	}
	return r - 1<<stageBits
}

// before reports whether a root can come to be another one.
func (r root) before(next root) bool {
	if r.level()/levels != next.level()/levels {
		return true
	}
	return r.level() < next.level() || r.level() == next.level() && r.left() > next.left()
}

func (t *table) loadRoot() root { return root(t.state.root.Load()) }

// homes is how many homes a level has.
func (t *table) homes(level uint64) uint64 { return t.sizes[level%levels] }

// size is how many buckets a level has.
func (t *table) size(level uint64) uint64 { return t.homes(level) + reach }

// check reports whether there can be such a root.
func (t *table) check(r root) error {
	level, cut := r.level(), r.cut()
	growing := cut > 0 && (level%levels == 0 || cut > t.size(level-1))
	if !t.reaches(level) || growing || r.dirty() > t.most(level) || level >= clears*levels {
		return fmt.Errorf("map of level %d, to be moved %d, to be wiped %d: %w", level%levels, cut, r.dirty(), ErrCorrupt)
	}
	return nil
}

// most is behind the last bucket of a level in the row.
func (t *table) most(level uint64) uint64 { return t.size(level) + doubled }

// reaches reports whether the lists have room for a level.
func (t *table) reaches(level uint64) bool { return t.most(level) <= t.extents<<t.shift }

// row is where a bucket of a level is in the row.
func row(level, p uint64) uint64 {
	if p >= doubled || level&1 == 1 {
		p += doubled
	}
	return p
}

// at is a bucket of a level, nil if its extent is not there yet.
func (t *table) at(level, p uint64) *bucket { return t.inRow(row(level, p)) }

// inRow is the p-th bucket of the row, likewise.
func (t *table) inRow(p uint64) *bucket {
	if known, e := *t.known.Load(), p>>t.shift; e < uint64(len(known)) {
		if off := known[e].Load(); off != 0 {
			return t.bucketAt(off + p&t.within*bucketSize)
		}
	}
	return t.discover(p)
}

// discover is at, in the row, for an extent that this handle has not seen yet. What it reads is checked.
func (t *table) discover(p uint64) *bucket {
	place, off := t.lookUp(p >> t.shift)
	if off == 0 || !t.settle(place) {
		return nil
	}
	t.remember(p>>t.shift, off)
	return t.bucketAt(off + p&t.within*bucketSize)
}

// settle settles an extent that was found where it belongs, and reports whether it is one. Whoever linked it may be
// stopped before he does. The first word of the block says until then what it is tied to, and is the header of a bucket:
// so nobody changes a bucket before.
func (t *table) settle(place uint64) bool {
	b, err := t.seg.BlockAt(place)
	if err == nil {
		err = b.Settle()
	}
	return err == nil || errors.Is(err, segment.ErrReadOnly) // an observer, who changes nothing
}

// word is the word that has the place of an extent, 0 if its list is not there yet.
func (t *table) word(e uint64) (off uint64) {
	if e >= t.extents {
		return 0
	}
	list := offsetOf(t.seg.Word(t.listWord(e)).Load())
	if list == 0 || list > uint64(t.seg.Size())-t.listBytes() {
		return 0
	}
	return list + extentsHead + e%t.listed*8
}

// listWord is the word that has the place of the list of an extent.
func (t *table) listWord(e uint64) uint64 { return t.bodyOffset() + mapSize + e/t.listed*8 }

func (t *table) listBytes() uint64 { return extentsHead + t.listed*8 }

func (t *table) extentBytes() uint64 { return bucketSize << t.shift }

// lookUp is the place and the offset of an extent, 0 if it is not there.
func (t *table) lookUp(e uint64) (place, off uint64) {
	at := t.word(e)
	if at == 0 {
		return 0, 0
	}
	place = t.seg.Word(at).Load()
	if off = offsetOf(place); off > uint64(t.seg.Size())-t.extentBytes() {
		return 0, 0
	}
	return place, off
}

// offsetOf is where the block begins that a word names, a multiple of 64.
func offsetOf(place uint64) uint64 { return place & (1<<40 - 1) &^ 7 * 8 }

// remember notes where an extent is. Those who do so at the same time may lose each other's note, and look again.
func (t *table) remember(e, off uint64) {
	old := t.known.Load()
	known := *old
	if e >= uint64(len(known)) {
		longer := make([]atomic.Uint64, max(16, 1<<bits.Len64(e)))
		for i := range known {
			longer[i].Store(known[i].Load())
		}
		if !t.known.CompareAndSwap(old, &longer) {
			return
		}
		known = longer
	}
	known[e].Store(off)
}

// provide sees to it that there is an extent for bucket p of a level.
func (t *table) provide(level, p uint64) error {
	if t.at(level, p) != nil {
		return nil
	}
	e := row(level, p) >> t.shift
	if e >= t.extents {
		return fmt.Errorf("a map of %d buckets: %w", p, segment.ErrNoSpace)
	}
	if t.word(e) == 0 {
		if err := t.link(t.listWord(e), t.listBytes()); err != nil {
			return err
		}
	}
	at := t.word(e)
	if at == 0 {
		return fmt.Errorf("list of extents of a map: %w", ErrCorrupt)
	}
	if err := t.link(at, t.extentBytes()); err != nil {
		return err
	}
	if t.at(level, p) != nil {
		return nil
	}
	if err := t.seg.Writable(); err != nil {
		return err
	}
	return fmt.Errorf("extent %d of a map: %w", e, ErrCorrupt)
}

// link puts a new block into a word, unless another is there by now.
func (t *table) link(at, size uint64) error {
	if t.seg.Word(at).Load() != 0 {
		return nil
	}
	b, err := t.alloc(size)
	if err != nil {
		return err
	}
	// The tie overwrites the first word of an extent, which is a header then; it is a multiple of 8, so of no role.
	_, err = b.Link(at, 0)
	return err
}
