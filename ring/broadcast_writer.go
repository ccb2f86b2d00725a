package ring

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// BroadcastWriter is one of the writers of a Broadcast. One goroutine at a time may use it; each goroutine
// that writes has one of its own.
//
// A writer that is alone is as fast as that of an SPSC ring. Of several, one writes at a time; each waits
// for the one who is at it, and not for one who is not, whatever that one does.
type BroadcastWriter[T any] struct {
	slots []slot[T]
	pos   uint64 // of the next record, if nobody else has had the turn
	lap   uint64 // position of the first slot in this lap: the next record's slot is pos-lap, or behind the last

	// limit is up to where push needs no look at anything but the turn: the end of what was announced,
	// or of the slots. It stays at pos, or 0, as long as every push must fence, or the turn is not kept, and
	// is 0 after Close of the segment, which happens on another goroutine.
	limit atomic.Uint64

	turn  *word.Uint64
	busy  *word.Uint64
	event *futex.Event // of those who wait for records
	mine  uint64       // the turn while this writer has it, 0 else

	cast *cast
	row  int
	self segment.Owner
	last uint64 // ticket of the last turn
	gave uint64 // ticket of the last turn that others wanted
	keep bool   // the turn is kept behind a push
	runs int    // turns in a row between which nobody else had one
	gone bool
	off  func()

	// The turn of somebody else that this writer saw marked last, and since when: for where there is no
	// membarrier.
	seen  turn
	since time.Time
}

// keepAfter is how many turns in a row a writer has had when it thinks that it is alone.
const keepAfter = 256

// Writer adds a writer, which has one of 64 rows until it leaves, or its process ends. It fails with ErrClosed if the stream was ended, and with ErrTooMany if there are
// 64 writers and blocking subscribers that live.
func (b *Broadcast[T]) Writer(opts ...EndOption) (*BroadcastWriter[T], error) {
	w, err := b.writer(opts)
	return w, b.cast.wrap("write to", err)
}

func (b *Broadcast[T]) writer(opts []EndOption) (*BroadcastWriter[T], error) {
	c := b.cast
	if err := c.seg.Writable(); err != nil {
		return nil, err
	}
	self := c.seg.Self()
	if c.load()&turnClosed != 0 {
		return nil, ErrClosed
	}
	i, ok := c.claim(self)
	if !ok {
		return nil, ErrTooMany
	}
	futex.Register()
	policy := configOf(opts).policy
	c.room.SetPolicy(policy)
	c.turns.SetPolicy(policy)
	w := &BroadcastWriter[T]{
		slots: b.all, turn: &c.control.turn, busy: &c.control.rows[i].busy, event: c.items.Event(),
		cast: c, row: i, self: self, last: never, gave: never, keep: true,
	}
	w.off = c.seg.OnClose(func() { w.limit.Store(0) })
	return w, nil
}

// never is a ticket that nobody has.
const never = ^uint64(0)

// Push appends v. It blocks while another writer is at it, and while a blocking subscriber has no room
// for more. Errors: ErrClosed, ErrCorrupt, and the context's.
func (w *BroadcastWriter[T]) Push(ctx context.Context, v T) error {
	if w.pos >= w.limit.Load() {
		return w.pushSlow(ctx, v)
	}
	futex.Publish(w.busy, 1) // pairs with the fence and the load in (*cast).idle
	if w.turn.Load() != w.mine {
		return w.pushSlow(ctx, v)
	}
	i, next := w.pos-w.lap, w.pos+1
	s := &w.slots[i]
	s.value = v
	if race.Enabled {
		w.cast.race.Release(raceSlots + i)
	}
	futex.Publish(&s.sequence, next) // pairs with the load in (*Subscriber).Next
	w.pos = next
	if !w.event.Idle() || next%fetches == 0 {
		return w.pushed()
	}
	futex.Publish(w.busy, 0)
	// Close of the segment puts a zero there, too. The look is at w behind that at the segment, whose mapping it keeps until here.
	if turn := w.turn.Load(); turn != w.mine {
		return w.shared()
	}
	return nil
}

// pushed is what is left to do for a push when subscribers sleep, or slots are to be fetched.
func (w *BroadcastWriter[T]) pushed() error {
	if w.pos%fetches == 0 {
		w.prepare()
	}
	return w.rest()
}

// rest is what comes behind the last record of a push.
func (w *BroadcastWriter[T]) rest() (err error) {
	if !w.event.Idle() {
		w.signal()
	}
	futex.Publish(w.busy, 0)
	if w.turn.Load() != w.mine {
		err = w.shared()
	}
	runtime.KeepAlive(w)
	return err
}

// prepare has the lines of slots that are written soon fetched, and those of the next ones owned. The turn is this writer's.
func (w *BroadcastWriter[T]) prepare() {
	n := uint64(len(w.slots))
	if i := w.pos - w.lap + soon; i+fetches <= n {
		fetch(w.slots[i:][:fetches])
	}
	if i := w.pos - w.lap; w.pos%owned == 0 && i+owned <= n && w.pos >= n {
		own(w.slots[i:][:owned], w.pos+1-n)
	}
}

// shared is what comes behind a push during which somebody came to want the turn, or closed the stream, or
// the segment: then the push may have come too late.
func (w *BroadcastWriter[T]) shared() error {
	if err := w.usable(); err != nil {
		return w.cast.wrap("push to", err)
	}
	w.give()
	return nil
}

// signal wakes the subscribers. A mark that stays asks for fences.
func (w *BroadcastWriter[T]) signal() {
	w.cast.items.Broadcast()
	if w.event.Fenced() {
		w.limit.Store(0)
	}
}

// TryPush appends v if it can without waiting, and reports whether it did: not while another writer is at
// it, and not if a blocking subscriber has no room for more.
func (w *BroadcastWriter[T]) TryPush(v T) (bool, error) {
	if n, err := w.burst([]T{v}); n > 0 {
		return err == nil, err
	}
	ok, err := w.tryBegin()
	if ok && err == nil {
		err = w.store(v)
	}
	return ok && err == nil, w.cast.wrap("push to", err)
}

// PushN appends the values in their order, and blocks as Push does for each. It returns how many it pushed,
// which is all unless there is an error. Records of others may come between.
func (w *BroadcastWriter[T]) PushN(ctx context.Context, vs []T) (int, error) {
	for done := 0; done < len(vs); {
		n, err := w.burst(vs[done:])
		if n == 0 && err == nil {
			n, err = 1, w.pushSlow(ctx, vs[done])
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(vs), nil
}

// burst appends as many of the values as it can on the fast path. If that is none, the caller takes the
// slow one: the row may be busy.
func (w *BroadcastWriter[T]) burst(vs []T) (int, error) {
	limit := w.limit.Load()
	if w.pos >= limit {
		return 0, nil
	}
	n := min(uint64(len(vs)), limit-w.pos)
	futex.Publish(w.busy, 1)
	if w.turn.Load() != w.mine {
		return 0, nil
	}
	index, next := w.pos-w.lap, w.pos+1
	slots := w.slots[index:][:n]
	for i := range slots {
		s := &slots[i]
		s.value = vs[i]
		if race.Enabled {
			w.cast.race.Release(raceSlots + index + uint64(i))
		}
		futex.Publish(&s.sequence, next)
		next++
	}
	w.pos += n
	if i := index + 2*n; i+n <= uint64(len(w.slots)) {
		fetchBatch(w.slots, i, n)
	}
	return int(n), w.rest()
}

func (w *BroadcastWriter[T]) pushSlow(ctx context.Context, v T) error {
	err := w.begin(ctx)
	if err == nil {
		err = w.store(v)
	}
	return w.cast.wrap("push to", err)
}

// store puts v into a slot that is free, in this writer's turn, and fences.
func (w *BroadcastWriter[T]) store(v T) error {
	i := w.pos - w.lap
	s := &w.slots[i]
	s.value = v
	if race.Enabled {
		w.cast.race.Release(raceSlots + i)
	}
	s.sequence.Store(w.pos + 1)
	w.pos++
	if !w.event.Idle() {
		w.signal()
	}
	w.leave()
	return w.usable() // if the segment was closed, it may have been before
}

// leave ends a push. The turn is given up unless it is kept, which only a writer may that others' fences
// reach, and if nobody sleeps who wanted the turn of somebody before: this one is not marked by him.
func (w *BroadcastWriter[T]) leave() {
	if !w.keep || !w.plain() || !w.cast.turns.Event().Idle() {
		w.abandon()
		return
	}
	w.busy.Store(0) // before the look: either this one sees that the turn is wanted, or the row is seen idle
	if w.turn.Load() != w.mine {
		w.give()
	}
}

// plain reports whether this writer may publish with plain stores by now.
func (w *BroadcastWriter[T]) plain() bool {
	return futex.Plain(w.event) && futex.Plain(w.cast.turns.Event())
}

// begin waits for this writer's turn, and for room for one record.
func (w *BroadcastWriter[T]) begin(ctx context.Context) error {
	for {
		if err := w.enter(ctx); err != nil {
			w.abandon()
			return err
		}
		ok, err := w.extend(true)
		if ok {
			return nil
		}
		w.abandon()
		if err == nil {
			err = w.awaitRoom(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// abandon ends a push, or gives up one that was begun, and the turn with it.
func (w *BroadcastWriter[T]) abandon() {
	if w.gone {
		return // the row may be another writer's
	}
	w.give()
	w.busy.Store(0)
}

// tryBegin is begin without waiting.
func (w *BroadcastWriter[T]) tryBegin() (bool, error) {
	ok, err := w.tryEnter()
	if ok && err == nil {
		ok, err = w.extend(true)
		if !ok && err == nil {
			if _, last := w.cast.bound(); last >= 0 && w.cast.settleDead(last) {
				ok, err = w.extend(true)
			}
		}
	}
	if !ok {
		w.abandon()
	}
	return ok, err
}

// rouse makes everybody look again.
func (c *cast) rouse() {
	c.items.Rouse()
	c.turns.Rouse()
	c.room.Rouse()
}

// extend announces more records, if it must, sets index and limit anew, and reports whether there is room
// for one. It is called in this writer's turn.
func (w *BroadcastWriter[T]) extend(exact bool) (bool, error) {
	c := w.cast
	bound, last := c.bound()
	for last >= 0 && bound-c.slots > w.pos {
		if !c.settleDead(last) { // a dead one's row holds nobody up, whatever stands there
			return false, c.corrupt("subscriber at %d, writer at %d", bound-c.slots, w.pos)
		}
		bound, last = c.bound()
	}
	intent := c.control.intent.Load()
	if intent < w.pos || intent-w.pos > c.lead {
		return false, c.corrupt("announced up to %d, writer at %d", intent, w.pos)
	}
	limit := min(w.pos+c.lead, intent, bound)
	if limit <= w.pos {
		// First the tail: it and intent are never further apart than lead.
		limit = min(w.pos+c.lead, bound)
		if limit <= w.pos {
			return false, nil
		}
		c.control.tail.Store(w.pos)
		c.control.intent.Store(limit) // pairs with the load in Next, and with that in place
		futex.StoreFence()
		// A subscriber that came to hold writers up saw the new intent, or is seen here.
		bound, _ = c.bound()
		if limit = min(limit, bound); limit <= w.pos {
			return false, nil
		}
	}
	if race.Enabled {
		c.race.Acquire(raceRows)
	}
	index := w.pos % c.slots
	w.lap = w.pos - index
	if w.keep && w.plain() {
		w.limit.Store(w.pos + min(limit-w.pos, c.slots-index))
		if c.seg.IsClosed() {
			w.limit.Store(0)
		}
	}
	return true, nil
}

// awaitRoom waits until there may be room for a record, or the stream is ended.
func (w *BroadcastWriter[T]) awaitRoom(ctx context.Context) error {
	c := w.cast
	look := func(least uint64) bool {
		bound, last := c.bound()
		return last < 0 || bound-w.pos-1 < 1<<62 && bound-w.pos >= least || c.load()&turnClosed != 0 || w.usable() != nil
	}
	polls := 0
	return c.room.Wait(ctx, segment.Wait{
		Try: func() bool { return look(1) },
		// While they poll, writers wait for more, so that lines do not go back and forth for each record.
		Poll: func() bool {
			polls++
			if polls%exactEvery == 0 {
				return look(1)
			}
			return look(c.lead)
		},
		Peer: func() segment.Owner {
			_, last := c.bound()
			if last < 0 {
				return 0
			}
			return segment.OwnerOf(c.control.rows[last].owner.Load())
		},
		Recover: func(segment.Owner) bool {
			_, last := c.bound()
			return last < 0 || c.settleDead(last)
		},
		Asymmetric: futex.Owing,
	})
}

// usable is nil if this writer can be used.
func (w *BroadcastWriter[T]) usable() error {
	if w.gone {
		return ErrClosed
	}
	if w.cast.seg.Self() == w.self {
		return nil
	}
	return w.cast.seg.Writable()
}

// Sequence is that of the next record, unless another writer comes first: one more than that of the last
// that this writer pushed.
func (w *BroadcastWriter[T]) Sequence() uint64 { return w.pos }

// Leave takes this writer away, and leaves the stream to others. It fails with ErrClosed if this writer is
// gone.
func (w *BroadcastWriter[T]) Leave() error {
	return w.cast.wrap("leave", w.depart())
}

func (w *BroadcastWriter[T]) depart() error {
	if err := w.usable(); err != nil {
		return err
	}
	w.abandon()
	w.gone = true
	w.off()
	w.cast.drop(w.row, w.self)
	return nil
}

// Close ends the stream, for all writers: subscribers read what there is and then get ErrClosed. A push
// that another writer is at comes before the end. It never blocks. It fails with ErrClosed if this writer
// is gone.
func (w *BroadcastWriter[T]) Close() error {
	err := w.usable()
	if err == nil {
		w.cast.end()
		err = w.depart()
		w.cast.rouse()
	}
	return w.cast.wrap("close", err)
}

// end marks the turn.
func (c *cast) end() {
	if race.Enabled {
		c.race.Release(raceEnd)
	}
	for t := c.load(); t&turnClosed == 0 && !c.swap(t, t|turnClosed); t = c.load() {
	}
	since := word.Now()
	c.ended(&since)
}
