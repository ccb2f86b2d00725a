package ring

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Reader is the reading end of an SPSC ring. One goroutine at a time may use it.
type Reader[T any] struct {
	slots []slot[T]
	pos   uint64 // of the next value
	index uint64 // pos modulo the capacity, but the capacity itself right before a wrap

	// next is up to where pop needs no look at anything but the slot: where slots are given back
	// next, or the end of the slots. It stays at pos as long as every pop must fence, and is 0 after
	// Close of the segment.
	next atomic.Uint64

	position *word.Uint64
	end      end
	ring     *SPSC[T]
	off      func()
}

// giveBack is into how many parts the ring is divided: the reader gives back that many slots at a
// time while it is busy, so that the writer's view of the room moves one cache line for many values.
const giveBack = 4

// Reader takes the reading end. It fails with ErrBusy while a process that lives has it, and with
// ErrClosed if it was closed before. A successor of a dead reader goes on behind the last value that
// that one took.
func (r *SPSC[T]) Reader(opts ...EndOption) (*Reader[T], error) {
	in := &Reader[T]{slots: r.slots, position: &r.control.position, ring: r, end: r.readerEnd(opts)}
	if err := in.end.take(); err != nil {
		return nil, in.end.wrap("take reading end of", err)
	}
	in.pos = in.position.Load()
	in.index = in.pos % r.capacity
	in.off = r.seg.OnClose(func() { in.next.Store(0) })
	return in, nil
}

// Pop takes the oldest value. It blocks while the ring is empty. Errors: ErrClosed when the writer
// closed and all is read, ErrPeerDied (once for each writer that died, when all is read),
// ErrCorrupt, and the context's.
func (r *Reader[T]) Pop(ctx context.Context) (T, error) {
	if r.pos >= r.next.Load() {
		return r.popSlow(ctx)
	}
	s := &r.slots[r.index]
	if s.sequence.Load() != r.pos+1 { // pairs with the publish in (*Writer).Push
		return r.popSlow(ctx)
	}
	if race.Enabled {
		r.end.race.Acquire(raceItems + r.index)
		r.end.race.Release(racePosition)
	}
	v := s.value
	r.pos++
	r.index++
	futex.Publish(r.position, r.pos) // commits the pop
	if !r.end.peer.Idle() {
		r.signal()
	}
	if r.end.cut() {
		return v, r.lost(&v)
	}
	runtime.KeepAlive(r)
	return v, nil
}

// lost reports that the segment was closed under a pop, whose value may be Close's zeros.
func (r *Reader[T]) lost(v *T) error {
	err := r.end.usable()
	if err != nil {
		var none T
		*v = none
	}
	return r.end.wrap("pop from", err)
}

// signal wakes the writer; see (*Writer).signal.
func (r *Reader[T]) signal() {
	if r.end.signal() {
		r.next.Store(0)
	}
}

// TryPop takes the oldest value if there is one, and reports whether there was. It never blocks.
func (r *Reader[T]) TryPop() (T, bool, error) {
	ok, err := r.ready()
	if !ok {
		var none T
		if err == nil && r.end.peerClosed() {
			// The writer's last value may have come before it closed and after the look at it.
			if ok, err = r.ready(); !ok && err == nil {
				err = ErrClosed
			}
		}
		if !ok {
			return none, false, r.end.wrap("pop from", err)
		}
	}
	v, err := r.load()
	return v, err == nil, err
}

// PopN takes up to len(vs) values, at least one: it blocks while the ring is empty, and not for
// more. It returns how many it took.
func (r *Reader[T]) PopN(ctx context.Context, vs []T) (int, error) {
	if len(vs) == 0 {
		return 0, nil
	}
	v, err := r.Pop(ctx)
	if err != nil {
		return 0, err
	}
	vs[0] = v
	for n := 1; n < len(vs); n++ {
		v, ok, err := r.TryPop()
		if !ok || err != nil {
			return n, nil // what was taken is taken; the next call says what is wrong
		}
		vs[n] = v
	}
	return len(vs), nil
}

// All yields values as they come, until the writer closed and all is read. Any other error (see Pop)
// is yielded, and is the last thing yielded; that this end, or its segment, was closed is one.
func (r *Reader[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := r.Pop(ctx)
			if ended(err) && r.end.usable() == nil {
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

func (r *Reader[T]) popSlow(ctx context.Context) (T, error) {
	if r.pos < r.next.Load() && r.glance() {
		return r.Pop(ctx)
	}
	ok, err := r.ready()
	if !ok && err == nil {
		err = r.end.wait(ctx, func(bool) (bool, error) { return r.ready() })
	}
	if err != nil {
		var none T
		return none, r.end.wrap("pop from", err)
	}
	return r.load()
}

// glance polls the slot at pos.
func (r *Reader[T]) glance() bool {
	if !r.end.polls {
		return false
	}
	sequence := &r.slots[r.index].sequence
	for i := range glances {
		if sequence.Load() == r.pos+1 {
			return true
		}
		if i >= glancesTight {
			futex.Pause()
		}
	}
	return false
}

// load takes the value at pos, which is there, and fences, whatever next says.
func (r *Reader[T]) load() (v T, err error) {
	if race.Enabled {
		r.end.race.Acquire(raceItems + r.index)
		r.end.race.Release(racePosition)
	}
	v = r.slots[r.index].value
	r.pos++
	r.index++
	r.position.Store(r.pos)
	if !r.end.peer.Idle() {
		r.signal()
	}
	if r.end.cut() {
		err = r.lost(&v)
	}
	return v, err
}

// ready sets index and next anew, gives back what was read, and reports whether there is a value.
func (r *Reader[T]) ready() (bool, error) {
	if err := r.end.usable(); err != nil {
		return false, err
	}
	capacity := r.ring.capacity
	r.index = r.pos % capacity
	sequence := r.slots[r.index].sequence.Load()
	if sequence == r.pos+1 {
		r.plan(capacity)
		return true, nil
	}
	before := uint64(0) // of the value that was there a lap ago
	if r.pos >= capacity {
		before = r.pos + 1 - capacity
	}
	if sequence != before {
		return false, fmt.Errorf("slot %d has sequence %d at position %d: %w", r.index, sequence, r.pos, ErrCorrupt)
	}
	r.give()
	return false, nil
}

// plan sets next.
func (r *Reader[T]) plan(capacity uint64) {
	part := max(capacity/giveBack, 1)
	given := r.ring.control.given.Load()
	if r.pos-given >= part {
		r.give()
		given = r.pos
	}
	if r.end.plain() {
		r.next.Store(min(given+part, r.pos+capacity-r.index))
		if r.end.seg.IsClosed() {
			r.next.Store(0)
		}
	}
}

// give gives back all that was read.
func (r *Reader[T]) give() {
	if given := &r.ring.control.given; given.Load() != r.pos {
		given.Store(r.pos)
	}
}

// Len is how many values there are to read.
func (r *Reader[T]) Len() int { return int(r.ring.written(r.pos) - r.pos) }

// Cap is how many values the ring holds.
func (r *Reader[T]) Cap() int { return r.ring.Cap() }

// Close closes the ring from the reading side: the writer's calls return ErrClosed, and what was not
// read is lost. It fails with ErrClosed if this end is closed.
func (r *Reader[T]) Close() error {
	err := r.end.shut()
	if err == nil {
		r.next.Store(0)
		r.off()
	}
	return r.end.wrap("close reading end of", err)
}
