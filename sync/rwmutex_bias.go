package sync

import (
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Readers that no writer disturbs execute no locked instruction. When a process has read some 1,024 times through its
// count, its line gets a bias, and the goroutine that reads then a mark in it. Goroutines with marks count themselves there,
// by plain stores, and then look whether the line still has the bias; the others of the process go
// through the count, as before. A writer that has the lock takes all biases away, executes a fence on all CPUs, and looks at
// counts and marks: either a reader sees that its bias is gone, and goes through the count, or the writer sees its mark.
//
//	bias      to        who
//	0         biased    the process, of which a goroutine has the lock for reading, through the count
//	biased    revoked   whoever has the lock for writing
//	revoked   0         the same, or the next one, behind a fence
//	any       0         whoever settles the row of a dead process
//
// Whoever sees revoked does not know how far the writer was, and executes the fence again. No bias comes while a writer looks
// at readers of which there are none: only a reader grants it, whom he has seen, or who has seen him.
//
// A goroutine may give up what another one has taken, and the stack of either may move in between; so a mark
// alone says nothing, and what a process reads is the sum of its count and its marks, modulo 2³².
const (
	biased  = 1
	revoked = 2

	// oneReader is what a mark gets for a lock: one reader more, in its lower half, and one more that there ever was.
	oneReader = 1<<32 | 1
)

// reader is what a goroutine must know that has a mark. It never changes.
type reader struct {
	stack uintptr
	line  *readingRow
	mark  *word.Uint64
}

// marked is what a process knows of its marks in an RWMutex. A mark is one stack's for good (see package bias), and has
// its place by its number: where two stacks have one place, the second goes through the count.
type marked struct {
	readers [marks]atomic.Pointer[reader]
	tally   word.Uint64 // readers through the count since the last grant, but for those who counted at the same time
	price   bias.Price
	granted bool   // and not known to be revoked
	served  uint64 // by all marks, when it was
}

// by is who has a mark in one of the two places that the stack may have one in, if there is somebody, and the stack itself
// if it has one.
func (m *marked) by(stack uintptr) *reader {
	n := numberOf(stack)
	r := m.readers[n].Load()
	if r == nil || r.stack != stack {
		r = m.readers[n^1].Load()
	}
	return r
}

// numberOf is the number of the mark that a stack has, or of its neighbour, if it has one.
func numberOf(stack uintptr) uint64 { return bias.Place(stack, marksBits) }

// give gives the stack a mark, if one of its two is free. The caller has the ledger's mu.
func (m *marked) give(stack uintptr, line *readingRow) {
	for _, i := range []uint64{numberOf(stack), numberOf(stack) ^ 1} {
		if m.readers[i].CompareAndSwap(nil, &reader{stack, line, &line.marks[i]}) {
			return
		}
	}
}

// earn takes note of a reader through the count, which has the lock, and may give it a mark and the line a bias.
func (m *RWMutex) earn(stack uintptr) {
	t := &m.ledger.marked.tally
	n := t.Load() + 1
	futex.Publish(t, n)
	if n >= m.ledger.marked.price.Is() {
		m.grant(stack)
	}
}

// grant gives the stack a mark, and the line a bias. The caller has the lock for reading, through the count.
func (m *RWMutex) grant(stack uintptr) {
	l := m.ledger
	if !bias.Inlined || !futex.Plain(m.writer.Event()) || !l.mu.TryLock() {
		return
	}
	defer l.mu.Unlock()
	r := l.mine.Load()
	if r == nil || r.owner.Load() != l.self {
		return
	}
	futex.Publish(&l.marked.tally, 0)
	line := r.reading()
	if l.marked.granted && line.bias.Load() != biased {
		// What it was worth is known when the next one is earned.
		l.marked.price.Revoked(line.served() - l.marked.served)
		l.marked.granted = false
		return
	}
	if r := l.marked.by(stack); r == nil || r.stack != stack {
		l.marked.give(stack, line)
	}
	if line.bias.CompareAndSwap(0, biased) {
		l.marked.granted, l.marked.served = true, line.served()
	}
}

// unmarked is what is to be done behind a reader less in a mark, if somebody sleeps, or wants fences.
func (m *RWMutex) unmarked(r *reader) {
	r.line.row.count.Add(0) // a full fence
	m.left()
}

// vacant reports whether there are no readers. The caller has the lock for writing. It takes away all biases, whether
// there are readers or not, or they would go on to come. Without readers there is nobody who grants one: so it ends, but for
// a hostile peer.
func (m *RWMutex) vacant() bool {
	none := false
	for range marks {
		if !m.revoke() && none {
			return true // none with a bias, since before the look at the counts
		}
		if none = m.ledger.none(); !none {
			return false
		}
	}
	return false
}

// revoke takes all biases away, behind which readers may not be seen yet, and reports whether there were any.
func (m *RWMutex) revoke() (any bool) {
	if word.Modelled {
		return false
	}
	rows := m.ledger.rows()
	for _, r := range rows {
		if b := &r.reading().bias; b.Load() != 0 {
			b.Store(revoked)
			any = true
		}
	}
	if any {
		bias.Fence() // pairs with the store to a mark in RLock
		for _, r := range rows {
			r.reading().bias.CompareAndSwap(revoked, 0)
		}
	}
	return any
}

// reads is how many read through the row.
func (r *row) reads() uint64 {
	return uint64(int32(uint32(r.count.Load()) + uint32(r.reading().sum())))
}

// overdrawn reports whether there are less than no readers, when one has taken the count to left. Others may
// go from marks to the count meanwhile: then it looks again.
func (r *row) overdrawn(left uint64) bool {
	for range maxLooks {
		n := int64(r.reads())
		again := r.count.Load()
		if again == left {
			return n < 0
		}
		left = again
	}
	return false
}

// maxLooks bounds the looks at a count that a hostile peer changes all the time.
const maxLooks = 1 << 10

// sum is what all marks have together.
func (l *readingRow) sum() (n uint64) {
	if word.Modelled {
		return 0
	}
	for i := range l.marks {
		n += l.marks[i].Load()
	}
	return n
}

// served is how often marks have served.
func (l *readingRow) served() uint64 { return l.sum() >> 32 }

// clear takes all that a dead process had off, but its count.
func (l *readingRow) clear() {
	l.bias.Store(0)
	for i := range l.marks {
		l.marks[i].Store(0)
	}
}
