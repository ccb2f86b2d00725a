package ring

import (
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// turn is the word that says who writes: the row of a writer, and a ticket that grows with each writer
// who gets it, so that no two turns are alike. A writer that is alone keeps its turn from one record to
// the next, and then writes without a locked instruction (the bias of a biased lock; Dice, Huang and Yang,
// "Asymmetric Dekker Synchronization"): it says that it is busy in its row, looks whether the turn is
// still its own, writes, and is busy no more. Whoever wants the turn of one that keeps it marks the word,
// has all processors fence, and may then take it if the row is not busy: the keeper's next look comes
// behind the mark.
//
//	from            to              who
//	free            row i           a writer, for its row
//	row i           free            its writer, behind a push, unless it keeps it, or when it leaves
//	row i           row i|wanted    a writer that waits for it
//	row i|wanted    free            its writer, as soon as it sees that: it lets others go first then
//	row i|wanted    row k           the writer of row k, if i was not busy behind the mark and a fence
//	row i (dead)    row k           the writer of row k, after proof of death
//	row i (dead)    free            whoever settles row i
//	any             any|closed      whoever closes; nobody gets the turn any more
//	row i|closed    free|closed     as from row i|wanted, but for everybody: it ends the stream
//
// "free|closed" is the end: no record comes behind it.
type turn uint64

const (
	turnWanted turn = 1 << iota
	turnClosed

	turnRowShift    = 2 // row + 1, 0: free
	turnRowMask     = 1<<7 - 1
	turnTicketShift = 9
	turnTicketMax   = 1<<(64-turnTicketShift) - 1
)

// row is whose turn it is. The number may be of no row.
func (t turn) row() (i int, held bool) {
	i = int(t>>turnRowShift&turnRowMask) - 1
	return i, i >= 0
}

func (t turn) ticket() uint64 { return uint64(t >> turnTicketShift) }

// free is t with nobody's turn.
func (t turn) free() turn { return t&turnClosed | t>>turnTicketShift<<turnTicketShift }

// after is the turn of row i behind t.
func (t turn) after(i int) turn {
	return turn(t.ticket()+1)<<turnTicketShift | turn(i+1)<<turnRowShift
}

// cast is what writers and subscribers of one ring have in common.
type cast struct {
	seg     *segment.Segment
	place   uint64 // for errors
	control *broadcastControl
	slots   uint64
	lead    uint64 // how many records are announced at a time
	items   *segment.Point
	room    *segment.Point
	turns   *segment.Point
	race    race.Word
	// sequence reads that of the slot where a position is.
	sequence func(position uint64) uint64
}

// What the race detector is told of, counted in words from the ring's control on.
const (
	raceEnd   = 0 // stands for the end of the stream
	raceTurn  = segment.Line / 8
	raceRows  = 6 * segment.Line / 8
	raceSlots = broadcastSize / 8
)

const settling = 1 << segment.FlagShift

// claim takes a row for self, 0 for none: all are taken by those who live.
func (c *cast) claim(self segment.Owner) (i int, ok bool) {
	for range 2 {
		for i := range c.control.rows {
			r := &c.control.rows[i]
			if r.owner.Load() != 0 {
				continue
			}
			// First, so that nobody overlooks the row.
			used := &c.control.used
			for n := used.Load(); n <= uint32(i) && !used.CompareAndSwap(n, uint32(i)+1); n = used.Load() {
			}
			if r.owner.CompareAndSwap(0, uint64(self)) {
				return i, true
			}
		}
		for i := range c.control.rows {
			c.settleDead(i)
		}
	}
	return 0, false
}

// drop gives a row back that has no turn.
func (c *cast) drop(i int, self segment.Owner) {
	r := &c.control.rows[i]
	r.at.Store(0)
	r.busy.Store(0)
	r.owner.CompareAndSwap(uint64(self), 0)
}

// settleDead frees the row if its owner is proven dead, with a system call, and reports whether it was. A
// settler that dies is settled like the one it settled: the flag stands with its name.
func (c *cast) settleDead(i int) bool {
	r := &c.control.rows[i]
	w := r.owner.Load()
	if o := segment.OwnerOf(w); o == 0 || !c.seg.Gone(o) {
		return false
	}
	self := uint64(c.seg.Self())
	if self == 0 || !r.owner.CompareAndSwap(w, self|settling) {
		return false
	}
	// Before the row is free: no other writer may have a row whose turn it seems to be.
	for t := c.load(); ; t = c.load() {
		if k, held := t.row(); !held || k != i || c.swap(t, t.free()) {
			break
		}
	}
	r.at.Store(0)
	r.busy.Store(0)
	r.owner.CompareAndSwap(self|settling, 0)
	c.room.Broadcast()
	c.turns.Broadcast()
	c.items.Broadcast()
	return true
}

func (c *cast) load() turn { return turn(c.control.turn.Load()) }

func (c *cast) swap(from, to turn) bool {
	return c.control.turn.CompareAndSwap(uint64(from), uint64(to))
}

// holder is whose turn it is, 0 for nobody.
func (c *cast) holder() segment.Owner {
	i, held := c.load().row()
	if !held || i >= maxRows {
		return 0
	}
	return segment.OwnerOf(c.control.rows[i].owner.Load())
}

// rests reports whether t is the turn of a writer that seems not to be at work.
func (c *cast) rests(t turn) bool {
	i, held := t.row()
	return held && i < maxRows && c.control.rows[i].busy.Load() == 0
}

// unfenced is how long a plain store of a process can be on its way, at most, where there is no
// membarrier: much less.
const unfenced = 2 * time.Millisecond

// barrier is a variable for the one test that takes it out.
var barrier = futex.Barrier

// idle reports that the writer of row i, of whose turn it was seen since then that it was marked, is not
// at work, and will see the mark before it is again.
func (c *cast) idle(i int, since time.Time) bool {
	busy := &c.control.rows[i].busy
	if busy.Load() != 0 {
		return false
	}
	if futex.Owing && !barrier() {
		c.turns.Event().Demand() // of its next turn; but it may have this one already
		if word.Since(since) < unfenced {
			return false
		}
	}
	return busy.Load() == 0 // pairs with the publish in Push, and the look behind it
}

// ended reports whether the stream came to its end: it was closed, and nobody is at a push any more.
func (c *cast) ended(since *time.Time) bool {
	t := c.load()
	if t&turnClosed == 0 {
		return false
	}
	i, held := t.row()
	if held {
		if since.IsZero() {
			*since = word.Now()
		}
		if i < maxRows && !c.free(i) && !c.idle(i, *since) || !c.swap(t, t.free()) {
			return false
		}
		// Others may sleep since the writer was at its push, and it wakes nobody if its turn is gone by the
		// time that it looks.
		c.items.Rouse()
	}
	if race.Enabled {
		c.race.Acquire(raceEnd)
	}
	return true
}

// over is ended for one who does not wait, and so hears of no death: it asks whether the writer that is at a
// push is dead, with a system call.
func (c *cast) over(since *time.Time) bool {
	if c.ended(since) {
		return true
	}
	t := c.load()
	i, held := t.row()
	return t&turnClosed != 0 && held && i < maxRows && c.settleDead(i) && c.ended(since)
}

// free reports whether row i is in nobody's hands, or in those of whoever settles it: the turn that names
// it is a dead one's.
func (c *cast) free(i int) bool {
	w := c.control.rows[i].owner.Load()
	return w == 0 || w&settling != 0
}

// bound is how far may be written: as far as no subscriber that holds writers up has a record that it
// did not read. It also tells who is the last of them, -1: there is none.
func (c *cast) bound() (limit uint64, last int) {
	limit, last = ^uint64(0), -1
	for i := range min(c.control.used.Load(), maxRows) {
		r := &c.control.rows[i]
		at := r.at.Load() // pairs with the store in place, and the look at intent behind it
		if at == 0 || c.free(int(i)) {
			continue
		}
		if q := at - 1 + c.slots; q < limit {
			limit, last = q, int(i)
		}
	}
	return limit, last
}

// written is the position behind the newest record, at some moment of the call. tail and intent lie around
// it, and the slots between them say the rest: those before it were written, whatever is there by now.
func (c *cast) written() (uint64, error) {
	low := c.control.tail.Load()
	high := c.control.intent.Load()
	if high-low > 1<<62 {
		return 0, c.corrupt("announced up to %d, written up to %d", high, low)
	}
	for low < high {
		middle := low + (high-low)/2
		if int64(c.sequence(middle)-(middle+1)) >= 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// oldest is the oldest record that is kept.
func (c *cast) oldest() uint64 {
	if intent := c.control.intent.Load(); intent > c.slots {
		return intent - c.slots
	}
	return 0
}
