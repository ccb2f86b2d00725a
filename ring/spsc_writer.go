package ring

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// Writer is the writing end of an SPSC ring. One goroutine at a time may use it, Close
// included: who waits in a call is woken by its context, or by Close of the segment. The calls that do not wait (Try) say nothing of the other side's death.
type Writer[T any] struct {
	slots []slot[T]
	pos   uint64 // of the next value
	lap   uint64 // position of the first slot in this lap: the next value's slot is pos-lap, or behind the last

	// limit is up to where push needs no look at anything else: the end of the room that was seen,
	// or of the slots. It stays at pos as long as every push must fence, and is 0 after Close of the
	// segment, which happens on another goroutine.
	limit atomic.Uint64

	control  *control
	trails   bool   // the reader trails behind: lines are fetched; see ready
	room     uint64 // up to where ready found room for a batch, whether or not it must fence
	reserved uint64 // slots that Reserve gave out and Commit has not taken; 0: none
	from     uint64 // pos of the reservation, which is taken back if pos has moved on

	end  end
	ring *SPSC[T]
	off  func() // takes the closer off the segment
}

// Writer takes the writing end. It fails with ErrBusy while a process that lives has it, and with
// ErrClosed if it was closed before. A successor of a dead writer goes on behind its last value.
func (r *SPSC[T]) Writer(opts ...EndOption) (*Writer[T], error) {
	w := &Writer[T]{slots: r.slots, control: r.control, ring: r, end: r.writerEnd(opts)}
	if err := w.end.take(); err != nil {
		return nil, w.end.wrap("take writing end of", err)
	}
	w.pos = r.written(r.control.position.Load())
	w.lap = w.pos - w.pos%r.capacity
	w.off = r.seg.OnClose(func() { w.limit.Store(0) })
	return w, nil
}

// Push appends v. It blocks while the ring is full. Errors: ErrClosed, ErrPeerDied (once for each
// reader that died while the ring was full), ErrCorrupt, and the context's.
func (w *Writer[T]) Push(ctx context.Context, v T) error {
	pos := w.pos
	if pos >= w.limit.Load() {
		return w.pushSlow(ctx, v)
	}
	i := pos - w.lap
	s := &w.slots[i]
	s.value = v
	if race.Enabled {
		w.end.race.Release(raceItems + i)
	}
	next := pos + 1
	futex.Publish(&s.sequence, next) // pairs with the load in (*Reader).Pop
	// One pointer leads to the event and to the end's word (see cut), and each has a branch of its own: this is counted in instructions.
	if c := w.control; !c.items.Idle() || c.writer.Load() == 0 || next%fetches == 0 {
		w.pos = next
		return w.pushed()
	}
	w.pos = next // behind the last look at the segment, whose mapping w keeps until here
	return nil
}

// pushed is what may be left to do for a push: the reader may sleep, or may have closed, or the segment may be
// closed; or slots are to be fetched.
func (w *Writer[T]) pushed() error {
	if w.trails && w.pos%fetches == 0 {
		w.prepare()
	}
	closed := !w.end.peer.Idle() && w.end.signal() && w.stays()
	if closed || w.end.cut() {
		return w.lost(closed)
	}
	return nil
}

// prepare has the lines of slots that are written soon fetched, and those of the next ones owned.
func (w *Writer[T]) prepare() {
	limit, capacity := w.limit.Load(), w.ring.capacity
	if p := w.pos + soon; p+fetches <= limit {
		fetch(w.slots[p-w.lap:][:fetches])
	}
	if p := w.pos; p%owned == 0 && p+owned <= limit && p >= capacity {
		own(w.slots[p-w.lap:][:owned], p+1-capacity)
	}
}

// lost reports that the reader closed, or that the segment was closed, before a push or under it.
func (w *Writer[T]) lost(closed bool) error {
	err := w.end.usable()
	if err == nil && closed {
		err = ErrClosed
	}
	return w.end.wrap("push to", err)
}

// stays is called for a mark that a signal leaves, and reports whether the reader closed: then nobody pops what was pushed. Such a mark asks to look at the
// ring before each push from now on: the reader needs fences, or it closed.
func (w *Writer[T]) stays() (closed bool) {
	w.limit.Store(0)
	return w.end.peerClosed()
}

// TryPush appends v if there is room, and reports whether it did. It never blocks.
func (w *Writer[T]) TryPush(v T) (bool, error) {
	if w.pos >= w.limit.Load() {
		if ok, err := w.ready(1, true); !ok {
			return false, w.end.wrap("push to", err)
		}
		err := w.store(v)
		return err == nil, err
	}
	err := w.Push(context.Background(), v)
	return err == nil, err
}

// PushN appends the values in their order, and blocks while there is no room for the next. It
// returns how many it pushed, which is all unless there is an error. The values become visible one
// after the other: a writer that is killed has pushed the first few of them, or none, or all.
func (w *Writer[T]) PushN(ctx context.Context, vs []T) (int, error) {
	n := 0
	for n < len(vs) {
		if w.pos >= w.limit.Load() {
			if err := w.await(ctx, 1); err != nil {
				return n, w.end.wrap("push to", err)
			}
		}
		k := int(min(uint64(len(vs)-n), w.room-w.pos))
		if closed := w.put(vs[n : n+k]); closed || w.end.cut() {
			if err := w.lost(closed); err != nil {
				return n, err
			}
		}
		w.next(uint64(k))
		n += k
	}
	runtime.KeepAlive(w)
	return n, nil
}

// put puts vs into the slots from pos on, for which there is room, and publishes each behind its
// value. It reports whether the reader closed.
func (w *Writer[T]) put(vs []T) (closed bool) {
	index, next := w.pos-w.lap, w.pos+1
	slots := w.slots[index:][:len(vs)]
	for i := range slots {
		s := &slots[i]
		s.value = vs[i]
		if race.Enabled {
			w.end.race.Release(raceItems + index + uint64(i))
		}
		futex.Publish(&s.sequence, next) // pairs with the loads in (*Reader).Pop and take
		next++
	}
	return w.committed(uint64(len(vs)))
}

// next has the lines fetched of the batch after the next, if that is as large as the last.
func (w *Writer[T]) next(n uint64) {
	if w.pos+2*n <= w.limit.Load() {
		fetchBatch(w.slots, w.pos-w.lap+n, n)
	}
}

// committed goes on behind n slots whose sequences are stored, at least one, and wakes the reader. It
// reports whether that closed.
func (w *Writer[T]) committed(n uint64) (closed bool) {
	if w.pos >= w.limit.Load() {
		w.fence(n)
	}
	w.pos += n
	return !w.end.peer.Idle() && w.end.signal() && w.stays()
}

// fence stores the last of n sequences once more, as an exchange.
//
//go:noinline
func (w *Writer[T]) fence(n uint64) {
	w.slots[(w.pos+n-1)%w.ring.capacity].sequence.Store(w.pos + n)
}

// await blocks until there is room for need values.
func (w *Writer[T]) await(ctx context.Context, need uint64) error {
	ok, err := w.ready(need, true)
	if !ok && err == nil {
		err = w.end.wait(ctx, func(exact bool) (bool, error) { return w.ready(need, exact) })
	}
	return err
}

func (w *Writer[T]) pushSlow(ctx context.Context, v T) error {
	if err := w.await(ctx, 1); err != nil {
		return w.end.wrap("push to", err)
	}
	return w.store(v)
}

// store puts v into a slot that is free and fences, whatever limit says.
func (w *Writer[T]) store(v T) error {
	i := w.pos - w.lap
	s := &w.slots[i]
	s.value = v
	if race.Enabled {
		w.end.race.Release(raceItems + i)
	}
	w.pos++
	s.sequence.Store(w.pos)
	return w.pushed()
}

// Reserve waits until n slots are free, and returns them to write values into, in place. They are the
// caller's until Commit, or until the next Reserve, TryReserve, Push, TryPush or PushN, which take them
// back; what stands in them before they are written is undefined. n is from 1 to Cap. Errors:
// ErrTooLarge, ErrClosed, ErrPeerDied (once for each reader that died while there was no room),
// ErrCorrupt, and the context's.
func (w *Writer[T]) Reserve(ctx context.Context, n int) (Run[T], error) {
	err := w.reservable(n)
	if err == nil && !w.reserves(n) {
		err = w.await(ctx, uint64(n))
	}
	if err != nil {
		return Run[T]{}, w.end.wrap("reserve in", err)
	}
	return w.reserve(n), nil
}

// TryReserve is Reserve for those who do not wait: without room it returns an empty run and no error.
func (w *Writer[T]) TryReserve(n int) (Run[T], error) {
	err := w.reservable(n)
	ok := err == nil && w.reserves(n)
	if err == nil && !ok {
		ok, err = w.ready(uint64(n), true)
	}
	if !ok {
		return Run[T]{}, w.end.wrap("reserve in", err)
	}
	return w.reserve(n), nil
}

// reserves reports whether n slots are known to be free, and nothing is known of the reader that is to be looked into: it may have closed.
func (w *Writer[T]) reserves(n int) bool {
	return w.pos+uint64(n) <= w.limit.Load() && w.control.items.Idle()
}

// reservable takes back what is reserved, and reports whether n slots may be.
func (w *Writer[T]) reservable(n int) error {
	w.reserved = 0
	if n < 1 || uint64(n) > w.ring.capacity {
		return fmt.Errorf("%d slots, 1 to %d are possible: %w", n, w.ring.capacity, ErrTooLarge)
	}
	return nil
}

// reserve is the next n slots, which are free.
func (w *Writer[T]) reserve(n int) Run[T] {
	w.reserved, w.from = uint64(n), w.pos
	run := runOf(w.slots, w.pos-w.lap, n)
	if p := w.pos; w.trails && n <= batch && p >= w.ring.capacity {
		own(run.slots, p+1-w.ring.capacity)
	}
	runtime.KeepAlive(w)
	return run
}

// Commit publishes the first m values of what Reserve returned, and gives up the others. It never
// blocks. The values become visible one after the other, as those of PushN do; after Close of the
// segment, none. It panics if m is not from 0 to what was reserved.
func (w *Writer[T]) Commit(m int) {
	if w.from != w.pos {
		w.reserved = 0
	}
	if m < 0 || uint64(m) > w.reserved {
		panic(fmt.Sprintf("ring: commit of %d values, %d are reserved", m, w.reserved))
	}
	w.reserved = 0
	if m == 0 {
		return
	}
	index, next := w.pos-w.lap, w.pos+1
	run := runOf(w.slots, index, m)
	w.publish(run.slots, next, index)
	w.publish(run.rest, next+uint64(len(run.slots)), 0)
	w.committed(uint64(m))
	w.next(uint64(m))
	runtime.KeepAlive(w)
}

// publish stores the sequences of slots whose values are written, from next on; the first of them has
// that index.
func (w *Writer[T]) publish(slots []slot[T], next, index uint64) {
	for i := range slots {
		if race.Enabled {
			w.end.race.Release(raceItems + index + uint64(i))
		}
		futex.Publish(&slots[i].sequence, next+uint64(i)) // pairs with the loads in (*Reader).Pop and seen
	}
}

// ready sets lap, room and limit anew, and reports whether there is room for need values. The
// reader's exact position is looked at only if asked, because it changes with every value read.
func (w *Writer[T]) ready(need uint64, exact bool) (bool, error) {
	if err := w.end.usable(); err != nil {
		return false, err
	}
	if w.end.peerClosed() {
		return false, ErrClosed
	}
	c := w.control
	capacity := w.ring.capacity
	// A reader who has read all there is waits for each value, as in a round trip: he polls the line of the next, which fetching
	// it would take away from him. This look is the first, because he reads on while the writer waits for the other.
	trails := capacity >= smallest && (!exact || c.position.Load() != w.pos)
	used := w.pos - c.given.Load()
	if used > capacity || capacity-used < need {
		// given may lie further back than what was seen of the exact position before.
		if !exact {
			return false, nil
		}
		read := c.position.Load()
		if used = w.pos - read; used > capacity {
			return false, fmt.Errorf("reader at %d, writer at %d: %w", read, w.pos, ErrCorrupt)
		}
		if capacity-used < need {
			return false, nil
		}
	}
	if race.Enabled {
		w.end.race.Acquire(racePosition)
	}
	index := w.pos % capacity
	w.lap = w.pos - index
	w.room = w.pos + min(capacity-used, capacity-index)
	limit := w.room
	if w.trails = trails; !trails && capacity >= smallest {
		limit = min(limit, w.pos+smallest) // it may trail soon
	}
	if w.end.plain() {
		w.limit.Store(limit)
		if w.end.seg.IsClosed() {
			w.limit.Store(0)
		}
	}
	return true, nil
}

// Len is how many values the reader has not taken yet.
func (w *Writer[T]) Len() int {
	return int(min(w.pos-w.ring.control.position.Load(), w.ring.capacity))
}

// Cap is how many values the ring holds.
func (w *Writer[T]) Cap() int { return w.ring.Cap() }

// Empty reports whether the reader has taken all values, and Full whether there is room for none.
func (w *Writer[T]) Empty() bool { return w.Len() == 0 }

// Full is Empty's counterpart.
func (w *Writer[T]) Full() bool { return w.Len() == w.Cap() }

// Close ends the stream: the reader drains what there is and then gets ErrClosed. The ring cannot be
// written to any more, and what is reserved is dropped. It fails with ErrClosed if this end is closed.
func (w *Writer[T]) Close() error {
	err := w.end.shut()
	if err == nil {
		w.limit.Store(0)
		w.reserved = 0
		w.off()
	}
	return w.end.wrap("close writing end of", err)
}
