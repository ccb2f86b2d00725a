package ring

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// Reader is the reading end of an SPSC ring. One goroutine at a time may use it, Close
// included: who waits in a call is woken by its context, or by Close of the segment. The calls that do not wait (Try) say nothing of the other side's death.
type Reader[T any] struct {
	slots []slot[T]
	pos   uint64 // of the next value
	lap   uint64 // position of the first slot in this lap: the next value's slot is pos-lap, or behind the last

	ahead ahead[T] // none behind next, as it was then, nor where every pop must fence

	// next is up to where pop needs no look at anything but the slot: where slots are given back
	// next, or the end of the slots. It stays at pos as long as every pop must fence, and is 0 after
	// Close of the segment.
	next atomic.Uint64

	shown uint64 // values that Peek showed and Release has not taken; 0: none
	from  uint64 // pos of what was shown, which is taken back if pos has moved on

	control *control
	end     end
	ring    *SPSC[T]
	off     func()
}

// giveBack is into how many parts the ring is divided: the reader gives back that many slots at a
// time while it is busy, so that the writer's view of the room moves one cache line for many values.
const giveBack = 4

// Reader takes the reading end. It fails with ErrBusy while a process that lives has it, and with
// ErrClosed if it was closed before. A successor of a dead reader goes on behind the last value that
// that one took.
func (r *SPSC[T]) Reader(opts ...EndOption) (*Reader[T], error) {
	in := &Reader[T]{slots: r.slots, control: r.control, ring: r, end: r.readerEnd(opts), ahead: makeAhead[T]()}
	if err := in.end.take(); err != nil {
		return nil, in.end.wrap("take reading end of", err)
	}
	in.pos = in.control.position.Load()
	in.lap = in.pos - in.pos%r.capacity
	in.off = r.seg.OnClose(func() { in.next.Store(0) })
	return in, nil
}

// Pop takes the oldest value. It blocks while the ring is empty. Errors: ErrClosed when the writer
// closed and all is read, ErrPeerDied (once for each writer that died, when all is read),
// ErrCorrupt, and the context's.
func (r *Reader[T]) Pop(ctx context.Context) (T, error) {
	i := r.pos - r.ahead.first
	if i >= uint64(len(r.ahead.values)) {
		if r.end.polls {
			return r.popNext(ctx)
		}
		return r.popLate(ctx)
	}
	if race.Enabled {
		r.end.race.Release(racePosition)
	}
	v := r.ahead.values[i]
	next := r.pos + 1
	c := r.control
	futex.Publish(&c.position, next)            // commits the pop
	if !c.room.Idle() || c.reader.Load() == 0 { // see Push
		r.pos = next
		return r.popped(v)
	}
	r.pos = next // behind the last look at the segment, whose mapping r keeps until here
	return v, nil
}

// popped is what is left to do for a pop of v when the writer may sleep or the segment may be closed:
// then the value may be Close's zeros.
func (r *Reader[T]) popped(v T) (T, error) {
	if !r.end.peer.Idle() {
		r.signal()
	}
	if r.end.cut() {
		if err := r.end.usable(); err != nil {
			var none T
			return none, r.end.wrap("pop from", err)
		}
	}
	return v, nil
}

// signal wakes the writer; see (*Writer).stays.
func (r *Reader[T]) signal() {
	if r.end.signal() {
		r.fence()
	}
}

// fence has every pop fence from now on, or the calls look at whether the end is closed.
func (r *Reader[T]) fence() {
	r.next.Store(0)
	r.ahead.values = r.ahead.values[:0]
}

// TryPop takes the oldest value if there is one, and reports whether there was. It never blocks.
func (r *Reader[T]) TryPop() (T, bool, error) {
	if r.pos-r.ahead.first < uint64(len(r.ahead.values)) || r.readAhead() {
		v, err := r.Pop(context.Background())
		return v, err == nil, err
	}
	ok, err := r.try()
	if !ok {
		var none T
		return none, false, r.end.wrap("pop from", err)
	}
	v, err := r.load()
	return v, err == nil, err
}

// try reports whether there is a value, and whether there will be none.
func (r *Reader[T]) try() (bool, error) {
	ok, err := r.ready()
	if !ok && err == nil && r.end.peerClosed() {
		// The writer's last value may have come before it closed and after the look at it.
		if ok, err = r.ready(); !ok && err == nil {
			err = ErrClosed
		}
	}
	return ok, err
}

// PopN takes up to len(vs) values, at least one: it blocks while the ring is empty, and not for
// more. It returns how many it took. The errors are those of Pop, and there is none if it took any. A
// reader that is killed has taken none of them, or the first few, or all.
func (r *Reader[T]) PopN(ctx context.Context, vs []T) (int, error) {
	if len(vs) == 0 {
		return 0, nil
	}
	if r.pos >= r.next.Load() || r.slots[r.pos-r.lap].sequence.Load() != r.pos+1 {
		if err := r.await(ctx); err != nil {
			return 0, r.end.wrap("pop from", err)
		}
	}
	n := 0
	for {
		k := r.take(vs[n:])
		if k == 0 {
			break
		}
		if err := r.end.lost(); err != nil {
			// These may be Close's zeros. What was taken before is taken; the next call says what is wrong.
			clear(vs[n : n+k])
			if n > 0 {
				return n, nil
			}
			return 0, r.end.wrap("pop from", err)
		}
		if n += k; n == len(vs) || r.pos < r.next.Load() {
			break
		}
		// The end of the slots, or where some are given back: there may be more behind it.
		if ok, err := r.ready(); !ok || err != nil {
			break
		}
	}
	runtime.KeepAlive(r)
	return n, nil
}

// take takes values from index on: those that are there, up to len(vs), up to the end of the slots. It
// returns how many.
func (r *Reader[T]) take(vs []T) int {
	index, next := r.pos-r.lap, r.pos+1
	slots := r.slots[index:]
	slots = slots[:min(len(slots), len(vs))]
	n := 0
	for ; n < len(slots); n++ {
		s := &slots[n]
		if s.sequence.Load() != next+uint64(n) { // pairs with the publishes of the writer
			break
		}
		if race.Enabled {
			r.end.race.Acquire(raceItems + index + uint64(n))
		}
		vs[n] = s.value
	}
	if n > 0 {
		r.taken(uint64(n))
	}
	return n
}

// taken commits that n values were read, and wakes the writer.
func (r *Reader[T]) taken(n uint64) {
	if race.Enabled {
		r.end.race.Release(racePosition)
	}
	fences := r.pos >= r.next.Load()
	r.pos += n
	if fences {
		r.control.position.Store(r.pos)
	} else {
		futex.Publish(&r.control.position, r.pos) // pairs with the load in (*Writer).ready
	}
	if !r.end.peer.Idle() {
		r.signal()
	}
}

// await blocks until there is a value.
func (r *Reader[T]) await(ctx context.Context) error {
	if err := r.renew(); err != nil {
		return err
	}
	if r.glance() {
		return nil
	}
	return r.end.wait(ctx, func(bool) (bool, error) { return r.ready() })
}

// Peek returns up to n values to read in place, without taking them, and blocks while there is none; it
// does not wait for more. They are good until Release, or until the next Pop, TryPop or PopN, and until
// Close; a writer that breaks the rules may change them meanwhile, so who does not trust it copies
// before checking. n is from 1 to Cap. Errors: ErrTooLarge, and those of Pop.
func (r *Reader[T]) Peek(ctx context.Context, n int) (Run[T], error) {
	err := r.showable(n)
	if err == nil && (r.pos >= r.next.Load() || r.slots[r.pos-r.lap].sequence.Load() != r.pos+1) {
		err = r.await(ctx)
	}
	if err != nil {
		return Run[T]{}, r.end.wrap("peek at", err)
	}
	return r.show(n), nil
}

// TryPeek is Peek for those who do not wait: without a value it returns an empty run and no error.
func (r *Reader[T]) TryPeek(n int) (Run[T], error) {
	err := r.showable(n)
	ok := false
	if err == nil {
		ok, err = r.try()
	}
	if !ok {
		return Run[T]{}, r.end.wrap("peek at", err)
	}
	return r.show(n), nil
}

// showable takes back what is shown, and reports whether n values may be.
func (r *Reader[T]) showable(n int) error {
	r.shown = 0
	if n < 1 || uint64(n) > r.ring.capacity {
		return fmt.Errorf("%d slots, 1 to %d are possible: %w", n, r.ring.capacity, ErrTooLarge)
	}
	return nil
}

// show is the values from pos on that are there, up to n.
func (r *Reader[T]) show(n int) Run[T] {
	index := r.pos - r.lap
	run := runOf(r.slots, index, n)
	run.slots = run.slots[:r.seen(run.slots, r.pos, index)]
	k := uint64(len(run.slots))
	if index+k == uint64(len(r.slots)) {
		run.rest = run.rest[:r.seen(run.rest, r.pos+k, 0)]
	} else {
		run.rest = nil
	}
	r.shown, r.from = uint64(run.Len()), r.pos
	return run
}

// seen is how many of these slots have their values, of which the first has that position and index.
func (r *Reader[T]) seen(slots []slot[T], pos, index uint64) int {
	for i := range slots {
		if slots[i].sequence.Load() != pos+1+uint64(i) { // pairs with the publishes of the writer
			return i
		}
		if race.Enabled {
			r.end.race.Acquire(raceItems + index + uint64(i))
		}
	}
	return len(slots)
}

// Release takes the first m values of what Peek showed out of the ring. It never blocks. It panics if m
// is not from 0 to how many were shown.
func (r *Reader[T]) Release(m int) {
	if r.from != r.pos {
		r.shown = 0
	}
	if m < 0 || uint64(m) > r.shown {
		panic(fmt.Sprintf("ring: release of %d values, %d are shown", m, r.shown))
	}
	r.shown = 0
	if m > 0 {
		r.taken(uint64(m))
	}
	runtime.KeepAlive(r)
}

// All yields values as they come, until the writer closed and all is read. Any other error (see Pop)
// is yielded, beside a value that is zero, and is the last thing yielded; that this end, or its segment, was closed is one.
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

// popNext is Pop for who has read nothing ahead. A value that comes while it polls is taken alone: the next is hardly there yet,
// and to look for it would take its line away from who writes it. That is what a round trip waits for, so nothing is called in between.
func (r *Reader[T]) popNext(ctx context.Context) (T, error) {
	if err := r.renew(); err != nil {
		var none T
		return none, r.end.wrap("pop from", err)
	}
	if r.pos >= r.next.Load() { // each pop must fence
		return r.popLate(ctx)
	}
	i := r.pos - r.lap
	s, next := &r.slots[i], r.pos+1
	if s.sequence.Load() == next && r.readAhead() {
		return r.Pop(ctx)
	}
	for polls := 0; s.sequence.Load() != next; polls++ { // pairs with the publish in (*Writer).Push
		if polls == glances {
			return r.popLate(ctx)
		}
		futex.Pause()
	}
	if race.Enabled {
		r.end.race.Acquire(raceItems + i)
		r.end.race.Release(racePosition)
	}
	v := s.value
	c := r.control
	futex.Publish(&c.position, next)            // commits the pop
	if !c.room.Idle() || c.reader.Load() == 0 { // see Push
		r.pos = next
		return r.popped(v)
	}
	r.pos = next // as in Pop
	return v, nil
}

// popLate is Pop for who may have to sleep. There is little between it and the sleep: a CPU that ran another process meanwhile has forgotten where calls
// return to.
func (r *Reader[T]) popLate(ctx context.Context) (T, error) {
	err := r.renew()
	if err == nil && !r.end.polls && r.readAhead() {
		return r.Pop(ctx)
	}
	if err == nil && !r.glance() {
		err = r.end.wait(ctx, func(bool) (bool, error) { return r.ready() })
	}
	if err != nil {
		var none T
		return none, r.end.wrap("pop from", err)
	}
	return r.load()
}

// readAhead reads what is there from pos on, up to where slots are given back next, and reports whether that is something.
func (r *Reader[T]) readAhead() bool {
	next := r.next.Load() // once: Close makes it 0
	if r.pos >= next {
		return false
	}
	index := r.pos - r.lap
	n := r.ahead.read(r.slots[index:next-r.lap], r.pos)
	if race.Enabled {
		for i := range uint64(n) {
			r.end.race.Acquire(raceItems + index + i)
		}
	}
	return n > 0
}

// glance polls the slot at pos.
func (r *Reader[T]) glance() bool {
	return r.end.polls && glance(&r.slots[r.pos-r.lap].sequence, r.pos+1)
}

// load takes the value at pos, which is there, and fences, whatever next says.
func (r *Reader[T]) load() (T, error) {
	i := r.pos - r.lap
	if race.Enabled {
		r.end.race.Acquire(raceItems + i)
		r.end.race.Release(racePosition)
	}
	v := r.slots[i].value
	r.pos++
	r.control.position.Store(r.pos)
	return r.popped(v)
}

// renew sets lap and next anew where they must be. It does not look for a value: who waits for one has its line taken from who
// writes it by each look.
func (r *Reader[T]) renew() error {
	if r.pos < r.next.Load() {
		return nil
	}
	if err := r.end.usable(); err != nil {
		return err
	}
	index := r.pos % r.ring.capacity
	r.lap = r.pos - index
	r.plan(r.ring.capacity - index)
	return nil
}

// ready reports whether there is a value. Without one, all that was read is given back, and nothing else is changed: it is asked again and again.
func (r *Reader[T]) ready() (bool, error) {
	if err := r.end.usable(); err != nil {
		return false, err
	}
	capacity := r.ring.capacity
	index := r.pos % capacity
	sequence := r.slots[index].sequence.Load()
	if sequence == r.pos+1 {
		r.lap = r.pos - index
		if err := r.renew(); err != nil {
			return false, err
		}
		return true, nil
	}
	before := uint64(0) // of the value that was there a lap ago
	if r.pos >= capacity {
		before = r.pos + 1 - capacity
	}
	if sequence != before {
		return false, fmt.Errorf("slot %d has sequence %d at position %d: %w", index, sequence, r.pos, ErrCorrupt)
	}
	r.give()
	return false, nil
}

// plan sets next: there are that many slots to the end.
func (r *Reader[T]) plan(ahead uint64) {
	part := max(r.ring.capacity/giveBack, 1)
	given := r.ring.control.given.Load()
	if r.pos-given >= part {
		r.give()
		given = r.pos
	}
	if r.end.plain() {
		r.next.Store(min(given+part, r.pos+ahead))
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
func (r *Reader[T]) Len() int {
	defer runtime.KeepAlive(r) // the mapping goes with the last handle
	return int(r.ring.written(r.pos) - r.pos)
}

// Cap is how many values the ring holds.
func (r *Reader[T]) Cap() int { return r.ring.Cap() }

// Empty reports whether there is nothing to read, and Full whether the writer has no room.
func (r *Reader[T]) Empty() bool { return !r.ring.there(r.pos) }

// Full is Empty's counterpart.
func (r *Reader[T]) Full() bool { return r.ring.there(r.pos + r.ring.capacity - 1) }

// Close closes the ring from the reading side: the writer's calls return ErrClosed, and what was not
// read is lost. It fails with ErrClosed if this end is closed.
func (r *Reader[T]) Close() error {
	err := r.end.shut()
	if err == nil {
		r.shown = 0
		r.fence()
		r.off()
	}
	return r.end.wrap("close reading end of", err)
}
