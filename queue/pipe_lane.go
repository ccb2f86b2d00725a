package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/bulk"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// lane is one of the ways of a pipe: a queue of messages that are bytes, each in its slot or in a box. Puts and gets are
// those of a Queue (see docs/QUEUE.md), but that a message which lies in its slot is taken by a store to the head alone.
type lane struct {
	*queue
	spares   *[spareBoxes]word.Uint64
	sparesAt uint64 // their offset in the segment
	fast     bool   // to put a short message is one swap and some stores, and so is to take it
}

// lanePlan is the plan of each lane of a pipe.
func lanePlan(capacity, bound uint64) plan {
	return plan{capacity: capacity, size: sizeFor(capacity), stride: parcelSize, bound: bound}
}

// laneAt is where lane i lies in the body of a pipe.
func laneAt(p plan, i uint64) uint64 { return pipeStateSize + i*p.body() }

// beginLane fills a lane of a pipe that is made.
func beginLane(o segment.Object, p plan, at uint64) {
	q := laneStateIn(o, at)
	q.capacity, q.size, q.stride, q.bound = p.capacity, p.size, p.stride, p.bound
	q.data = o.Offset() + at + p.data()
}

// laneIn is a lane of a pipe that was found and has room for it.
func laneIn(o segment.Object, p plan, number uint64) (lane, error) {
	at := laneAt(p, number)
	off, q := o.Offset()+at, laneStateIn(o, at)
	if got, data := q.plan(), q.data; got != p || data != off+p.data() {
		return lane{}, fmt.Errorf("lane at %#x of %d messages in %d slots of %d bytes at %#x: %w",
			off, got.capacity, got.size, got.stride, data, ErrCorrupt)
	}
	l := lane{
		queue:  queueIn(o, off, q, p),
		spares: &pipeIn(o).spares[number], sparesAt: o.Offset() + sparesOffset + number*spareBoxes*8,
	}
	l.slots, l.boxed = laneSlotsIn(o, at), true
	l.fast = p.bound == 0
	return l, nil
}

// packed puts a message that is encoded into a box, if it is long. always is whether even a short one is.
func (l lane) packed(p *pack, always bool) (err error) {
	n := p.size()
	if l.bound > 0 && n > l.bound {
		return fmt.Errorf("%d bytes, at most %d: %w", n, l.bound, ErrTooLarge)
	}
	if n <= inline && !always {
		return nil
	}
	if p.box, err = l.box(l.headOfBox() + n); err != nil {
		return err
	}
	p.boxed = true
	bulk.Copy(p.box.Bytes()[l.headOfBox():], p.bytes)
	return nil
}

// box is a block of at least that size, which is this process's.
func (l lane) box(size uint64) (b segment.Block, err error) {
	if size > l.seg.Lockless() && !l.carries {
		if b, ok := l.spare(size); ok {
			return b, nil
		}
	}
	if b, err = l.seg.Alloc(size, 0); errors.Is(err, segment.ErrNoSpace) && l.discard() {
		b, err = l.seg.Alloc(size, 0)
	}
	return b, err
}

// spare is a box that was kept, if there is one of about that size. Who takes it may die before its place is taken away, which is then that
// of nothing.
func (l lane) spare(size uint64) (segment.Block, bool) {
	for i := range l.spares {
		place := l.spares[i].Load()
		if place == 0 {
			continue
		}
		b, err := l.seg.BlockAt(place)
		if err == nil && (b.Size() < size || b.Size() > 2*size) {
			continue
		}
		taken := err == nil && b.Take() == nil
		if taken || err != nil {
			l.spares[i].CompareAndSwap(place, 0)
		}
		if taken {
			return b, true
		}
	}
	return segment.Block{}, false
}

// keep keeps a box that was emptied, or frees it.
func (l lane) keep(b segment.Block) error {
	if size := b.Size(); !l.carries && size > l.seg.Lockless() {
		for i := len(l.spares) - 1; i >= 0; i-- { // those for large boxes come last
			if size <= uint64(l.seg.Size())/spareParts[i] && l.spares[i].Load() == 0 {
				_, err := b.Link(l.sparesAt+8*uint64(i), 0)
				return err
			}
		}
	}
	return b.Free()
}

// discard frees the boxes that were kept, and reports whether there was one.
func (l lane) discard() (some bool) {
	for i := range l.spares {
		place := l.spares[i].Load()
		if place == 0 {
			continue
		}
		if b, err := l.seg.BlockAt(place); err == nil && b.Take() == nil {
			some = b.Free() == nil || some
		}
		l.spares[i].CompareAndSwap(place, 0)
	}
	return some
}

// purge drops the messages that nobody can get any more, if they may have something that others wait for. One who is stopped in the middle of a
// receive keeps them.
func (l lane) purge() {
	if l.queue == nil || !l.carries {
		return
	}
	_ = l.queue.drop(atOnce, l.capacity)
}

// put puts a message if there is room, and somebody to get it. It reports whether it did.
func (l lane) put(ctx context.Context, p *pack, deserted func() bool) (done bool, err error) {
	if err := l.enter(ctx, &l.puts); err != nil {
		return false, err
	}
	at, limit := l.state.tail.Load(), l.state.limit.Load()
	room := l.bound == 0 && at < limit
	if !room {
		var n uint64
		n, err = l.queue.spare(p.size())
		room, limit = n > 0, l.state.head.Load()+l.capacity
	}
	switch {
	case err != nil:
	case deserted():
		err = io.ErrClosedPipe
	case room:
		if err = l.store(at, p); err != nil {
			limit = 0 // there may be something left in the slot: see stretch
		}
		l.state.limit.Store(limit)
		done = err == nil
	}
	if left := l.leave(&l.puts); left != nil {
		return done, left
	}
	if done {
		l.tellItems()
	}
	return done, err
}

// take takes the next message if there is one, and reports whether there was. Whoever took it opens it, or frees its box. Who has closed
// his handle takes nothing: the other side may have found the end deserted, and the message to be sent to nobody.
func (l lane) take(ctx context.Context, c *[1]catch, closed *atomic.Bool) (done bool, err error) {
	if !l.seen() {
		return false, nil
	}
	if err := l.enter(ctx, &l.gets); err != nil {
		return false, err
	}
	if closed.Load() {
		return false, cmp.Or(l.leave(&l.gets), ErrClosed)
	}
	at := l.state.head.Load()
	if done = l.sequence(at).Load() == at+1; done {
		if race.Enabled {
			l.race.Acquire(raceItems)
		}
		l.read(at, &c[0])
		if c[0].boxed || c[0].err != nil || l.bound > 0 {
			l.claim(at, 1, c[:])
		} else {
			futex.Publish(&l.state.head, at+1)
		}
	}
	if left := l.leave(&l.gets); left != nil {
		return false, left
	}
	if done {
		l.tellRoom(at+1, 1)
	}
	return done, nil
}
