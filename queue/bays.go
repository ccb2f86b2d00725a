package queue

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Messages that are handed out lie in bays, one each, from which they go when they are done. The word of a bay is a status, how
// often the message was handed out, and a ticket, which no two deliveries share:
//
//	word          to             who
//	free          leased         who has gets, behind the point of no return of the message's way from the ring; or who inherits it
//	leased        free           who has the lease: Ack
//	leased        returned       who has it: Nack; or anybody, when who had it is dead
//	returned      leased         who has gets, with one delivery more
//	returned      buried         who has gets, when it was handed out often enough
//	buried        free           the same, when it is in the queue for the dead
//	buried        returned       the same, when that has no room; or anybody, when he is dead
//	returned      free           who shut the queue down at once, and behind that, anybody
//
// Each of these is one store or swap. owner, at and the message are written before a bay is leased, by who has gets.

// Statuses, in the lowest bits of a bay's word.
const (
	free = iota
	leasedOut
	returned
	buried

	statusBits   = 2
	status       = 1<<statusBits - 1
	deliveryBits = 16
	oneDelivery  = 1 << statusBits
	maxDelivery  = 1<<deliveryBits - 1
	ticketShift  = statusBits + deliveryBits

	none = -1 // no bay
)

func deliveries(word uint64) int { return int(word >> statusBits & maxDelivery) }

// as is a word with another status.
func as(word, to uint64) uint64 { return word&^status | to }

// high is how many bays may be in use.
func (q *queue) high() uint64 { return min(q.state.high.Load(), q.bays) }

// reclaim has what dead ones had come back, and reports whether there was any. An observer has nothing come back.
func (q *queue) reclaim(gone func(segment.Owner) bool) (came bool) {
	if q.seg.Writable() != nil {
		return false
	}
	for i := range q.high() {
		b := q.bay(i)
		w := b.word.Load()
		if w&status != leasedOut && w&status != buried {
			continue
		}
		// If that is the owner of another delivery, the word has another ticket by now.
		if o := segment.OwnerOf(b.owner.Load()); o != q.seg.Self() && gone(o) {
			q.giveBack(i, w)
			came = true
		}
	}
	return came
}

// giveBack has a message be handed out again, if its bay has that word still.
func (q *queue) giveBack(i, word uint64) bool {
	if race.Enabled {
		q.race.Release(raceItems)
	}
	if !q.bay(i).word.CompareAndSwap(word, as(word, returned)) {
		return false
	}
	if q.state.shut.Load() == dropped { // pairs with the store in shutDown, which looks at the bays behind it
		q.vacate(i, as(word, returned))
	}
	return true
}

// vacate ends what there is of a message, if its bay has that word still.
func (q *queue) vacate(i, word uint64) bool {
	b, box := q.bay(i), uint64(0)
	if q.boxed {
		box = q.berthed(i).box
	}
	if !b.word.CompareAndSwap(word, free) {
		return false
	}
	if box != 0 {
		q.release(box) // one who dies before that leaves it to who uses the bay next
	}
	return true
}

func (q *queue) ack(i, word uint64) error {
	if err := q.seg.Writable(); err != nil {
		return err
	}
	if race.Enabled {
		q.race.Release(raceDone)
	}
	if !q.vacate(i, word) {
		return q.over()
	}
	if !q.items.Event().Idle() && (q.seen() || q.isShut()) {
		q.items.Broadcast() // somebody may have waited for a bay, or for what was out
	}
	if !q.idle.Event().Idle() && q.allDone() {
		q.idle.Broadcast()
	}
	return nil
}

func (q *queue) nack(i, word uint64) error {
	if err := q.seg.Writable(); err != nil {
		return err
	}
	if !q.giveBack(i, word) {
		return q.over()
	}
	q.tellItems()
	if !q.idle.Event().Idle() && q.allDone() {
		q.idle.Broadcast()
	}
	return nil
}

// over is why a lease cannot be ended.
func (q *queue) over() error {
	if err := q.seg.Writable(); err != nil {
		return err
	}
	return ErrLease
}

// due reports whether there is something to be handed out, or may be.
func (q *queue) due(gone func(segment.Owner) bool) bool {
	high := q.high()
	room := high < q.bays
	for i := range high {
		b := q.bay(i)
		switch w := b.word.Load(); w & status {
		case free:
			room = true
		case returned:
			if !q.doomed(i, w) || q.hasGrave(i) {
				return true
			}
		default:
			if o := segment.OwnerOf(b.owner.Load()); o != q.seg.Self() && gone(o) {
				return true
			}
		}
	}
	return room && q.seen()
}

// doomed reports whether the message in a bay was handed out often enough, and there is a queue for the dead that takes such.
func (q *queue) doomed(i, word uint64) bool {
	if q.grave == nil || deliveries(word) < int(q.most) || q.grave.isShut() {
		return false
	}
	return !q.boxed || q.grave.bound == 0 || q.berthed(i).size <= q.grave.bound
}

// hasGrave reports whether there is room for a message in the queue for the dead.
func (q *queue) hasGrave(i uint64) bool {
	g, size := q.grave, uint64(0)
	if q.boxed {
		size = q.berthed(i).size
	}
	if g.flags&dropping != 0 {
		return true
	}
	room, err := g.spare(size)
	return room > 0 || err != nil
}

// ended reports whether nothing can come any more, of a queue that is shut down: nothing is there, and others have nothing.
func (q *queue) ended() bool {
	if q.state.shut.Load() == dropped {
		return q.there(q.state.head.Load(), 1) == 0
	}
	if !q.isShut() || q.there(q.state.head.Load(), 1) != 0 {
		return false
	}
	self := uint64(q.seg.Self())
	for i := range q.high() {
		b := q.bay(i)
		if w := b.word.Load(); w&status != free && (w&status != leasedOut || b.owner.Load() != self) {
			return false
		}
	}
	return true
}

// choose is the bay of the message that is next, and its status, which is free if that is still in the ring, returned, or
// buried if it is to be buried; or none. The caller has gets.
func (q *queue) choose(burying bool) (bay uint64, what int) {
	what = none
	high := q.high()
	spare, top, oldest := high, uint64(0), uint64(0)
	for i := range high {
		b := q.bay(i)
		w := b.word.Load()
		if w&status == free {
			spare = min(spare, i)
			continue
		}
		top = i + 1
		if w&status != returned || what != none && b.at > oldest {
			continue
		}
		switch {
		case !q.doomed(i, w):
			bay, what, oldest = i, returned, b.at
		case burying && q.hasGrave(i):
			bay, what, oldest = i, buried, b.at
		}
	}
	if top < high {
		q.state.high.Store(top)
	}
	if what == none && spare < q.bays && q.there(q.state.head.Load(), 1) == 1 {
		return spare, free
	}
	return bay, what
}

// ticket is a word that no bay had before.
func (q *queue) ticket(status uint64, deliveries int) uint64 {
	t := q.state.issued.Load() + 1
	q.state.issued.Store(t)
	return t<<ticketShift | uint64(min(deliveries, maxDelivery))<<statusBits | status
}

// handOut leases the message at the head, by way of a bay that is free. The caller has gets.
func (q *queue) handOut(at, i uint64, copyOut func(at, i uint64)) (word uint64) {
	b := q.bay(i)
	if q.boxed {
		s := q.berthed(i)
		if s.box != 0 {
			q.release(s.box)
			s.box = 0
		}
		from := q.parcel(at)
		s.size, s.text = from.size, from.text
	} else {
		copyOut(at, i)
	}
	b.at = at
	b.owner.Store(uint64(q.seg.Self()))
	if q.high() <= i {
		q.state.high.Store(i + 1)
	}
	word = q.ticket(leasedOut, 1)
	q.state.taker.Store(i + 1)
	q.state.credit.Store(word)
	q.state.reach.Store(at + 1)
	q.finish(at, at+1, nil)
	return word
}

// moor is the part of finish that is for a message that was handed out. It can be done again.
func (q *queue) moor(at uint64) {
	i := q.state.taker.Load() - 1
	if i >= q.bays {
		return // it is dropped
	}
	if q.boxed {
		if s := q.parcel(at); s.box != 0 {
			q.berthed(i).box = s.box
			s.box = 0
		}
	}
	q.bay(i).word.Store(q.state.credit.Load())
}

// handAgain leases what is in a bay, or takes it to be buried. The caller has gets. It is 0 if somebody who shut the queue down was first.
func (q *queue) handAgain(i uint64, what int) (word uint64) {
	b := q.bay(i)
	was := b.word.Load()
	if what == returned {
		word = q.ticket(leasedOut, deliveries(was)+1)
	} else {
		word = q.ticket(buried, deliveries(was))
	}
	b.owner.Store(uint64(q.seg.Self()))
	if was&status != returned || !b.word.CompareAndSwap(was, word) {
		return 0
	}
	return word
}

// waiting is how many messages are there to be handed out again. If the caller has gets, there may only be more of them.
func (q *queue) waiting() (n uint64) {
	for i := range q.high() {
		if q.bay(i).word.Load()&status == returned {
			n++
		}
	}
	return n
}

// discard drops what came back.
func (q *queue) discard() {
	for i := range q.high() {
		if w := q.bay(i).word.Load(); w&status == returned {
			q.vacate(i, w)
		}
	}
}

// allIn reports whether no bay has a message that is to be done.
func (q *queue) allIn() bool {
	drops := q.state.shut.Load() == dropped
	for i := range q.high() {
		if w := q.bay(i).word.Load() & status; w != free && !(drops && w == returned) {
			return false
		}
	}
	return true
}

var errNoBool = fmt.Errorf("a bool that is neither 0 nor 1: %w", ErrCorrupt)
