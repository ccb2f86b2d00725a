package state

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// To clear is one swap of the root, for one with a clear more: then the buckets of the row are of no table that counts, and
// every key is missing. What is left to do is to wipe them, so that what they name is freed, and none of them is taken for one
// of a later table that has the same role: the root says how many. Anybody may do it, any number at a time, and stop anywhere.
// Until it is done the table does not grow, and is not cleared once more.
//
// Before anything is put in a bucket it is wiped. So what a bucket has that is to be wiped is not live, and never will be; its boxes
// are freed while it names them still, and one who dies between two leaves the rest to the next.
//
// A swap of a header may come late, behind the clear, to a bucket that nobody has wiped yet. It is as if it had come right before: it
// saw the header under the root before, and nobody who sees this root sees what it did. Whoever wipes the bucket does.

// clear takes out all keys.
func (t *table) clear() error {
	if err := t.seg.Writable(); err != nil {
		return err
	}
	if race.Enabled {
		t.race.Release(cleared)
	}
	begun := t.loadRoot()
	for n := 0; ; n++ {
		r := t.loadRoot()
		err := t.check(r)
		if err == nil && n > endless {
			err = fmt.Errorf("a map that is cleared without end: %w", ErrCorrupt)
		}
		if err != nil {
			return t.seg.Sound(err)
		}
		if r.level()/levels != begun.level()/levels {
			break // somebody else has cleared it, behind the begin of this call
		}
		if r.dirty() > 0 {
			if err := t.wipeNext(r); err != nil {
				return err
			}
			continue
		}
		if next := r.cleared(t.most(r.level())); t.state.root.CompareAndSwap(uint64(r), uint64(next)) {
			break
		}
	}
	return t.wipeAll()
}

// wipeAll wipes what one clear has left, or somebody does.
func (t *table) wipeAll() error {
	for first := t.loadRoot(); ; {
		r := t.loadRoot()
		if err := t.check(r); err != nil {
			return t.seg.Sound(err)
		}
		if r.dirty() == 0 || r.level() != first.level() {
			return t.seg.Writable()
		}
		if err := t.wipeNext(r); err != nil {
			return err
		}
	}
}

// alloc is memory for something of the Map. Where there is none, what was cleared has some, perhaps.
func (t *table) alloc(size uint64) (segment.Block, error) {
	b, err := t.seg.Alloc(size, 0)
	if errors.Is(err, segment.ErrNoSpace) && t.loadRoot().dirty() > 0 && t.wipeAll() == nil {
		b, err = t.seg.Alloc(size, 0)
	}
	return b, err
}

// wipeNext wipes the next bucket of the row.
func (t *table) wipeNext(r root) error {
	b := t.inRow(r.dirty() - 1)
	if b != nil && !t.wipe(b, r) {
		return t.seg.Sound(fmt.Errorf("a bucket that changes without end: %w", ErrCorrupt))
	}
	if err := t.seg.Writable(); err != nil { // then it may have been Close that left no bucket
		return err
	}
	t.state.root.CompareAndSwap(uint64(r), uint64(r.wiped()))
	return nil
}

// wipe empties a bucket that is of a table before, unless what the root says of it does not hold any more. Whoever came late to it
// finds another header. It reports false if that goes on without end.
func (t *table) wipe(b *bucket, r root) bool {
	role := roleAt(r.level())
	for range tries {
		raw := header(b.header.Load())
		if raw&roleMask == role || !t.clearingAs(r) {
			return true
		}
		if t.boxed {
			t.wipeBoxes(b, raw, r)
		}
		if b.header.CompareAndSwap(uint64(raw), uint64(raw.as(role)+versionStep)) {
			return true
		}
	}
	return false
}

// clearingAs reports whether the table is still to be wiped of what the same clear left.
func (t *table) clearingAs(r root) bool {
	now := t.loadRoot()
	return now.dirty() > 0 && now.level() == r.level()
}

// wipeBoxes frees the boxes of a bucket that was cleared.
func (t *table) wipeBoxes(b *bucket, raw header, r root) {
	for live := raw.live(); live != 0; live &= live - 1 {
		place := b.pairs[bits.TrailingZeros64(live)].value.Load()
		if header(b.header.Load()) != raw || !t.clearingAs(r) {
			return // it may be another one's
		}
		t.release(place)
	}
}
