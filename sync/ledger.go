package sync

import (
	"errors"
	"fmt"
	"math"
	"slices"
	gosync "sync"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// A ledger says what each process has at stake in an object: waiters of a Cond, permits of a Semaphore,
// work of a WaitGroup, read locks of an RWMutex. Each has a row of its own, so that what a dead process had
// is known to the last unit, and is settled once.
//
// Rows come from the heap, in blocks that are linked one behind the other: the object holds the place of
// the first, 0 while there is none, and whoever finds all rows taken adds one by a swap at the end. A block
// that is linked stays, so that a row has its place for good.
//
//	owner         to           who
//	0             owner        a process that needs a row
//	owner         0            the same, which has nothing at stake any more
//	owner (dead)  me|settling  whoever settles it, after proof of death
//	me|settling   0            the same, when count is 0
//	me|settling   retired      the same, if the count is to stay (Barrier)
//	retired       0            whoever forgets the dead (Barrier)
//
// A settler that dies is settled like the one it settled: the flag stands with its name.
type ledger struct {
	seg   *segment.Segment
	self  uint64 // seg's Owner: of no row once Close has put zeros there
	form  *form
	point *segment.Point // where those wait whom a death concerns
	race  race.Word      // see raceRows
	known atomic.Pointer[chain]
	// settle is what the object does about a dead one's count: it leaves 0, or what is to stay. It may be
	// begun again.
	settle func(l *ledger, r *row)

	mu   gosync.Mutex // held while this process looks for a row
	mine atomic.Pointer[row]

	heeding gosync.Mutex
	heeded  uint64 // of a Cond: signals in this process's row that its waiters have taken; see heed

	marked  marked  // of an RWMutex
	keepers keepers // of a Semaphore
}

// raceRows is the proxy of all counts together, from the object's place: a word of which no object says
// anything else.
const raceRows = 3

// Flags beside the owner of a row.
const (
	settling = 1 << segment.FlagShift
	retired  = 2 << segment.FlagShift // and nobody's
)

// chain is the rows that this process knows, and where the next block will be linked. It is not changed once
// it is known.
type chain struct {
	rows   []*row
	blocks []uint64 // their places
	next   *word.Uint64
}

// maxChain is more blocks than there can be with a row for each participant, and as many for the dead.
const maxChain = 2 << 16 / lineRows

// ledgerAt is the ledger of the object at p, the same for all handles of this attach.
func ledgerAt(p place, point *segment.Point, f *form, first *word.Uint64, settle func(*ledger, *row)) *ledger {
	return p.seg.Local(p.off, func() any {
		l := newLedger(p.seg, f, first, settle)
		l.point = point
		l.race = race.At(p.seg.ID(), p.off)
		return l
	}).(*ledger)
}

func newLedger(seg *segment.Segment, f *form, first *word.Uint64, settle func(*ledger, *row)) *ledger {
	l := &ledger{seg: seg, self: uint64(seg.Self()), form: f, settle: settle}
	l.known.Store(&chain{next: first})
	return l
}

// rows are all rows that there are. Behind a block that contradicts itself there are none.
func (l *ledger) rows() []*row {
	c, _ := l.chain()
	return c.rows
}

// chain follows the blocks from where this process last came to.
func (l *ledger) chain() (*chain, error) {
	c := l.known.Load()
	place := c.next.Load()
	if place == 0 {
		return c, nil
	}
	more := &chain{slices.Clip(c.rows), slices.Clip(c.blocks), c.next}
	var err error
	for place != 0 && err == nil {
		err = l.follow(more, place)
		place = more.next.Load()
	}
	l.known.CompareAndSwap(c, more)
	return more, err
}

// follow adds the block at place to c.
func (l *ledger) follow(c *chain, place uint64) error {
	o, err := l.seg.Resolve(segment.RefAt(l.seg, place), segment.KindRows, l.form.layout())
	if err == nil {
		err = o.Holds(l.form.size)
	}
	if err != nil {
		return err
	}
	if len(c.blocks) >= maxChain {
		return fmt.Errorf("%d blocks of rows do not end: %w", maxChain, shm.ErrCorrupt)
	}
	for _, b := range c.blocks {
		if b == place {
			return fmt.Errorf("blocks of rows in a circle: %w", shm.ErrCorrupt)
		}
	}
	rows, next := l.form.in(o)
	c.rows, c.blocks, c.next = append(c.rows, rows...), append(c.blocks, place), next
	return nil
}

// own is this process's row.
func (l *ledger) own() (*row, error) {
	self := uint64(l.seg.Self())
	if r := l.mine.Load(); r != nil && r.owner.Load() == self && self != 0 {
		return r, nil
	}
	return l.enroll()
}

// enroll finds a row for this process, which has none.
func (l *ledger) enroll() (*row, error) {
	if err := l.seg.Writable(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	self := uint64(l.seg.Self())
	if r := l.mine.Load(); r != nil && r.owner.Load() == self {
		return r, nil
	}
	r := l.claim(self)
	if r == nil {
		l.sweep()
		r = l.claim(self)
	}
	for r == nil {
		if err := l.grow(); err != nil {
			return nil, err
		}
		r = l.claim(self)
	}
	l.mine.Store(r)
	return r, nil
}

// claim takes the first row that is free.
func (l *ledger) claim(self uint64) *row {
	for _, r := range l.rows() {
		if r.owner.Load() == 0 && r.owner.CompareAndSwap(0, self) {
			if r.count.Load() != 0 {
				r.count.Store(0) // a hostile peer's
			}
			return r
		}
	}
	return nil
}

// grow links a block of rows at the end, unless somebody else is quicker. A death before the swap frees the
// block, one behind it leaves it where it is.
func (l *ledger) grow() error {
	c, err := l.chain()
	if err != nil {
		return err
	}
	o, err := l.seg.New(segment.Spec{
		Kind: segment.KindRows, Layout: l.form.layout(), Size: l.form.size, Align: l.form.align,
	})
	if err != nil {
		return err
	}
	if err := o.Block().Tie(offsetOf(l.seg, c.next)); err != nil {
		return errors.Join(err, o.Free())
	}
	if !c.next.CompareAndSwap(0, o.Block().Place()) {
		return o.Free()
	}
	return o.Settle()
}

// each yields the rows that somebody has, and whether he is known to be dead.
func (l *ledger) each(yield func(r *row, dead bool) bool) {
	for _, r := range l.rows() {
		w := r.owner.Load()
		o := segment.OwnerOf(w)
		if o == 0 {
			continue
		}
		if !yield(r, w&settling != 0 || l.seg.Swept(o)) {
			return
		}
	}
}

// sum is what all rows have together that are somebody's.
func (l *ledger) sum() (n uint64) {
	for _, r := range l.rows() {
		n += l.has(r)
	}
	return n
}

// number is the sum as an int that is not negative, whatever a hostile peer writes.
func (l *ledger) number() int { return int(max(0, min(int64(l.sum()), math.MaxInt))) }

// none reports whether no row that is somebody's has anything.
func (l *ledger) none() bool {
	for _, r := range l.rows() {
		if l.has(r) != 0 {
			return false
		}
	}
	return true
}

// has is the count, if there is one. A row that is nobody's has none: what a hostile peer writes there would
// be waited for without an end.
func (l *ledger) has(r *row) uint64 {
	n := l.form.count(r)
	if n != 0 && segment.OwnerOf(r.owner.Load()) == 0 {
		return 0
	}
	return n
}

// sweep settles the rows of the dead. It makes a system call for each row of the living.
func (l *ledger) sweep() { l.settleAll(l.seg.Gone) }

// bury settles the rows of those who are known to be dead. It makes no system call: whoever is about to sleep
// does it, because the news of a death may have come before it looked.
func (l *ledger) bury() { l.settleAll(l.seg.Swept) }

func (l *ledger) settleAll(gone func(segment.Owner) bool) {
	self := l.seg.Self()
	if self == 0 {
		return
	}
	for _, r := range l.rows() {
		w := r.owner.Load()
		o := segment.OwnerOf(w)
		if o == 0 || o == self || !gone(o) {
			continue
		}
		if r.owner.CompareAndSwap(w, uint64(self)|settling) {
			l.say() // what the dead one did before comes with its death
			l.settle(l, r)
			left := uint64(0)
			if r.count.Load() != 0 {
				left = retired
			}
			r.owner.CompareAndSwap(uint64(self)|settling, left)
		}
	}
}

func (r *row) counted() uint64 { return r.count.Load() }

// say tells the race detector that this goroutine is about to change a count that others act on.
func (l *ledger) say() {
	if race.Enabled {
		l.race.Release(raceRows)
	}
}

// hear tells it that this goroutine acts on what the counts were.
func (l *ledger) hear() {
	if race.Enabled {
		l.race.Acquire(raceRows)
	}
}

// lessen takes n off the row's count, if there is that much, and returns what there was.
func (r *row) lessen(n uint64) (was uint64) {
	for {
		was = r.count.Load()
		if was < n || r.count.CompareAndSwap(was, was-n) {
			return was
		}
	}
}

// check reports whether the rows are in a state that exists.
func (l *ledger) check() error {
	c, err := l.chain()
	if err != nil {
		return err
	}
	for i, r := range c.rows {
		w := r.owner.Load()
		if n := l.form.count(r); w == 0 && n != 0 && r.owner.Load() == 0 {
			return fmt.Errorf("row %d is nobody's, with a count of %d: %w", i, n, shm.ErrCorrupt)
		}
		if err := l.seg.CheckOwner(segment.OwnerOf(w)); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

// index is the number of a row, from 1 on.
func (l *ledger) index(r *row) uint64 {
	for i, other := range l.rows() {
		if r == other {
			return uint64(i) + 1
		}
	}
	return 0
}

// leave gives this process's row back, if it has one.
func (l *ledger) leave() error {
	if err := l.seg.Writable(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	self := uint64(l.seg.Self())
	if r := l.mine.Swap(nil); r != nil && r.owner.Load() == self {
		r.count.Store(0)
		r.owner.CompareAndSwap(self, 0)
	}
	return nil
}
