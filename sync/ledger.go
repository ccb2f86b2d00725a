package sync

import (
	"fmt"
	gosync "sync"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// A ledger says what each process has at stake in an object: waiters of a Cond, permits of a Semaphore,
// work of a WaitGroup. Each has a row of its own, so that what a dead process had is known to the last
// unit, and is settled once.
//
//	owner         to           who
//	0             owner        a process that needs a row
//	owner (dead)  me|settling  whoever settles it, after proof of death
//	me|settling   0            the same, when count is 0
//
// A settler that dies is settled like the one it settled: the flag stands with its name.
type ledger struct {
	seg  *segment.Segment
	used *word.Uint32 // rows that were ever somebody's: they are taken from the first on
	rows *rows
	// settle is what the object does about a dead one's count; it leaves 0. It may be begun again.
	settle func(l *ledger, r *row)

	mu   gosync.Mutex // held while this process looks for a row
	mine atomic.Pointer[row]
}

const settling = 1 << segment.FlagShift

// ledgerAt is the ledger of the object at p, the same for all handles of this attach.
func ledgerAt(p place, used *word.Uint32, all *rows, settle func(*ledger, *row)) *ledger {
	return p.seg.Local(p.off, func() any {
		return &ledger{seg: p.seg, used: used, rows: all, settle: settle}
	}).(*ledger)
}

// own is this process's row.
func (l *ledger) own() (*row, error) {
	self := uint64(l.seg.Self())
	if r := l.mine.Load(); r != nil && r.owner.Load() == self && self != 0 {
		return r, nil
	}
	if err := l.seg.Writable(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.mine.Load(); r != nil && r.owner.Load() == self {
		return r, nil
	}
	r := l.claim(self)
	if r == nil {
		l.sweep()
		r = l.claim(self)
	}
	if r == nil {
		return nil, fmt.Errorf("%d processes: %w", maxRows, ErrTooMany)
	}
	l.mine.Store(r)
	return r, nil
}

// claim takes the first row that is free.
func (l *ledger) claim(self uint64) *row {
	for i := range l.rows {
		r := &l.rows[i]
		if r.owner.Load() != 0 {
			continue
		}
		// First, so that nobody overlooks the row.
		for n := l.used.Load(); n <= uint32(i) && !l.used.CompareAndSwap(n, uint32(i)+1); n = l.used.Load() {
		}
		if r.owner.CompareAndSwap(0, self) {
			return r
		}
	}
	return nil
}

// each yields the rows that somebody has, and whether he is known to be dead.
func (l *ledger) each(yield func(r *row, dead bool) bool) {
	for i := range min(l.used.Load(), maxRows) {
		r := &l.rows[i]
		o := r.owner.Load()
		if o == 0 {
			continue
		}
		if !yield(r, o&settling != 0 || l.seg.Swept(segment.OwnerOf(o))) {
			return
		}
	}
}

// sum is what all rows have together.
func (l *ledger) sum() uint64 { return l.rows.sum(l.used.Load()) }

func (l *rows) sum(used uint32) (n uint64) {
	for i := range min(used, maxRows) {
		n += l[i].count.Load()
	}
	return n
}

// sweep settles the rows of the dead. It makes a system call for each row of the living.
func (l *ledger) sweep() {
	self := l.seg.Self()
	if self == 0 {
		return
	}
	for i := range min(l.used.Load(), maxRows) {
		r := &l.rows[i]
		w := r.owner.Load()
		o := segment.OwnerOf(w)
		if o == 0 || o == self || !l.seg.Gone(o) {
			continue
		}
		if r.owner.CompareAndSwap(w, uint64(self)|settling) {
			l.settle(l, r)
			r.owner.CompareAndSwap(uint64(self)|settling, 0)
		}
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
func (l *rows) check(seg *segment.Segment, used uint32) error {
	if used > maxRows {
		return fmt.Errorf("%d rows of %d: %w", used, maxRows, shm.ErrCorrupt)
	}
	for i := range l {
		o := l[i].owner.Load()
		if o == 0 && l[i].count.Load() != 0 {
			return fmt.Errorf("row %d is nobody's, with a count of %d: %w", i, l[i].count.Load(), shm.ErrCorrupt)
		}
		if err := seg.CheckOwner(segment.OwnerOf(o)); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

// index is the number of a row, from 1 on.
func (l *ledger) index(r *row) uint64 {
	for i := range l.rows {
		if r == &l.rows[i] {
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
