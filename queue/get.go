package queue

import (
	"context"
	"errors"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Who gets has the lock gets, copies the message at the head, and moves the head, which commits the get. Where more is to be
// done than that, because the message has a box, or it is noted who took it, he first writes down what, and then how far
// the head will come, from which on others finish it when he dies (see finish):
//
//	reach, head     to
//	any, h          h+n, h       who has gets: the messages from h on are taken, by whom taker says
//	h+n, h          h+n, h+n     the same, or who has gets behind his death, when taker has its credit, and no slot a box

// Get takes the next message. It waits while there is none. Of a queue with leases it ends the lease at once. Errors: ErrShutDown, when the queue was shut down and all is
// taken; ErrClosed, ErrCorrupt, and the context's. A message that does not decode is taken, too.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	if !q.swift || !q.gets.TryLock() {
		return q.getOne(ctx)
	}
	k := q.queue
	at := k.state.head.Load()
	s := k.sequence(at)
	if s.Load() != at+1 {
		return q.getBehind(ctx)
	}
	if race.Enabled {
		k.race.Acquire(raceItems)
	}
	v := *message[T](s)
	futex.Publish(&k.state.head, at+1)
	if !futex.Ready() || !k.gets.Swift() {
		return unlessFailed(v, k.got(k.gets.Release(), at+1))
	}
	k.gets.Drop()
	if k.gets.Attached() && k.gets.Unwanted() && k.room.Event().Idle() {
		runtime.KeepAlive(q)
		return v, nil
	}
	return unlessFailed(v, k.got(k.gets.Dropped(), at+1))
}

// unlessFailed is a message that was got, but for an error.
func unlessFailed[T any](v T, err error) (T, error) {
	if err != nil {
		v = *new(T)
	}
	return v, err
}

// getOne is Get of one who does not get the lock at once, or has more to do than to copy: see putOne.
//
//go:noinline
func (q *Queue[T]) getOne(ctx context.Context) (T, error) {
	var vs [1]T
	_, err := q.getSlow(ctx, vs[:])
	return vs[0], err
}

// getBehind is Get of one who has the lock, and finds no message.
//
//go:noinline
func (q *Queue[T]) getBehind(ctx context.Context) (T, error) {
	if err := q.leave(&q.gets); err != nil {
		return *new(T), q.wrap("get from", err)
	}
	return q.getOne(ctx)
}

// got is what is left to do for a Get that has committed, when somebody is to be woken, or the segment was closed.
func (q *queue) got(released bool, at uint64) error {
	return q.wrap("get from", q.settleGet(released, at))
}

// settleGet is got without its error's words: a Pipe has others.
func (q *queue) settleGet(released bool, at uint64) error {
	err := q.settle(&q.gets, released)
	q.tellRoom(at, 1)
	return err
}

// TryGet takes the next message if there is one, and reports whether it did. It fails with ErrBusy when another process is
// stopped in the middle of a get, and else as Get does: of that it is sure when it has polled for 2 ms, which is more than a
// get takes whose CPU is not taken away. It never sleeps.
func (q *Queue[T]) TryGet() (v T, ok bool, err error) {
	var vs [1]T
	if q.flags&leased != 0 {
		q.reclaim(q.seg.Gone)
	}
	n, err := q.take(atOnce, vs[:])
	return vs[0], n == 1, q.wrap("get from", err)
}

// GetMany takes as many messages as there are, up to len(vs), and waits while there is none. It returns how many it took.
// For its errors see Get. A message that does not decode is left out of those that it returns, and its error is returned with them; the errors of
// several are joined.
func (q *Queue[T]) GetMany(ctx context.Context, vs []T) (int, error) {
	if len(vs) == 0 {
		return 0, nil
	}
	return q.getSlow(ctx, vs)
}

func (q *Queue[T]) getSlow(ctx context.Context, vs []T) (int, error) {
	for {
		n, err := q.take(ctx, vs)
		if n > 0 || err != nil {
			return n, q.wrap("get from", err)
		}
		await := q.awaitItems
		if q.flags&leased != 0 {
			await = q.awaitLease
		}
		if err := await(ctx); err != nil {
			return 0, q.wrap("get from", err)
		}
	}
}

// take takes as many messages as there are, up to len(vs), if there are any.
func (q *Queue[T]) take(ctx context.Context, vs []T) (n int, err error) {
	if q.flags&leased != 0 {
		return q.getLeased(ctx, vs)
	}
	if err := q.seg.Writable(); err != nil {
		return 0, err
	}
	if !q.seen() && !q.isShut() {
		return 0, q.sound()
	}
	if err := q.enter(ctx, &q.gets); err != nil {
		return 0, err
	}
	at := q.state.head.Load()
	n = int(q.there(at, min(uint64(len(vs)), maxHold)))
	if n == 0 && q.isShut() && q.there(at, 1) == 0 {
		err = ErrShutDown
	}
	if n > 0 && race.Enabled {
		q.race.Acquire(raceItems)
	}
	var caught []catch
	if q.boxed {
		var one [1]catch
		if caught = one[:]; n > 1 {
			caught = make([]catch, n)
		}
		caught = caught[:n]
		for i := range caught {
			q.read(at+uint64(i), &caught[i])
		}
	} else {
		for i := range n {
			vs[i] = *message[T](q.sequence(at + uint64(i)))
		}
	}
	if n > 0 {
		q.claim(at, uint64(n), caught)
	}
	if left := q.leave(&q.gets); left != nil {
		clear(vs[:n])
		return 0, errors.Join(err, left)
	}
	if n > 0 {
		q.tellRoom(at+uint64(n), uint64(n))
	}
	if err != nil {
		return 0, err
	}
	return q.unwrap(vs[:n], caught)
}

// unwrap makes messages of what was taken. It returns how many are some, which come first then, and the errors of the others.
func (q *Queue[T]) unwrap(vs []T, caught []catch) (n int, err error) {
	if !q.boxed && q.bare {
		return len(vs), nil
	}
	for i := range vs {
		var bad error
		if q.boxed {
			bad = q.open(&caught[i], &vs[i])
		} else if !q.codec.Sound(&vs[i]) {
			bad = errNoBool
		}
		switch {
		case bad == nil:
			vs[n] = vs[i]
			n++
		case err == nil:
			err = bad
		default:
			err = errors.Join(err, bad)
		}
	}
	clear(vs[n:])
	return n, err
}

// there is how many messages are there from a position on, up to n.
func (q *queue) there(at, n uint64) uint64 {
	for i := range min(n, q.capacity) {
		if q.sequence(at+i).Load() != at+i+1 {
			return i
		}
	}
	return min(n, q.capacity)
}

// claim takes n messages from the head on. The caller has gets, and has copied them.
func (q *queue) claim(at, n uint64, caught []catch) {
	if !q.logged() {
		q.state.head.Store(at + n)
		return
	}
	taker := uint64(0)
	if q.flags&joinable != 0 {
		taker = q.adopt() + 1
	}
	q.intend(at, n, taker)
	q.finish(at, at+n, caught)
}

// intend writes down that n messages are taken by whom taker says, and passes the point of no return.
func (q *queue) intend(at, n, taker uint64) {
	q.state.taker.Store(taker)
	if c := q.count(taker); c != nil {
		q.state.credit.Store(c.Load() + n)
	}
	q.state.reach.Store(at + n)
}

// finish does what is to be done for the messages from at to reach, which are taken, and moves the head. All of it can be
// done again. Boxes are taken by who has caught them, and else are freed.
func (q *queue) finish(at, reach uint64, caught []catch) {
	if q.flags&leased != 0 {
		q.moor(at)
	} else if c := q.count(q.state.taker.Load()); c != nil {
		c.Store(q.state.credit.Load())
	}
	if q.boxed {
		for p := at; p < reach; p++ {
			s := q.parcel(p)
			if s.box == 0 {
				continue
			}
			if i := p - at; i >= uint64(len(caught)) {
				q.release(s.box)
			} else if c := &caught[i]; c.err == nil {
				c.err = asBox(c.box.Take())
			}
			s.box = 0
		}
		if q.bound > 0 {
			q.state.drained.Store(q.through(reach))
		}
	}
	q.state.head.Store(reach)
}

// drop takes n messages for nobody, or as many as there are. The caller has puts.
func (q *queue) drop(ctx context.Context, n uint64) error {
	if err := q.enter(ctx, &q.gets); err != nil {
		return err
	}
	at := q.state.head.Load()
	n = q.there(at, n)
	if q.logged() && n > 0 {
		q.intend(at, n, 0)
		q.finish(at, at+n, nil)
	} else {
		q.state.head.Store(at + n)
	}
	return q.leave(&q.gets)
}

// awaitItems waits until there may be a message, or none can come.
func (q *queue) awaitItems(ctx context.Context) error {
	look := func() bool { return q.seen() || q.isShut() || q.seg.Self() == 0 }
	return q.items.Wait(ctx, segment.Wait{
		Try: func() bool { return look() || q.sound() != nil }, Poll: look, Asymmetric: futex.Owing,
		Passed: q.state.head.Load,
	})
}
