package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Who puts has the lock puts, writes the message into the slot at the tail, and then the slot's sequence, which commits
// it; the tail follows.
//
//	sequence of the slot of position p (n slots)
//	0 or p+1-n       p+1         who has puts, at position p = tail: the message is there

// Put puts v. It waits while the queue is full, unless the queue was made to fail, or to drop, in that case. Errors:
// ErrFull, ErrShutDown, ErrTooLarge, ErrClosed, shm.ErrNoSpace, ErrCorrupt, the context's, and one that names the path to what
// cannot be encoded. Behind an error, v is not in the queue; but ErrClosed does not say whether it is.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	if !q.fast || !q.puts.TryLock() {
		return q.putOne(ctx, v)
	}
	k := q.queue
	at := k.state.tail.Load()
	if at >= k.state.limit.Load() {
		return q.putBehind(ctx, v)
	}
	s := k.sequence(at)
	*message[T](s) = v
	if race.Enabled {
		k.race.Release(raceItems)
	}
	futex.Publish(s, at+1) // pairs with the load in (*Queue).Get
	futex.Publish(&k.state.tail, at+1)
	if at&(fetched-1) == 0 || !futex.Ready() || !k.puts.Swift() {
		return k.putFetching(at)
	}
	k.puts.Drop()
	if k.puts.Attached() && k.puts.Unwanted() && k.items.Event().Idle() {
		runtime.KeepAlive(q)
		return nil
	}
	return k.put(k.puts.Dropped())
}

// putOne is Put of one who does not get the lock at once, or has more to do than to copy. What Put does itself makes no call, so that
// it need not store what it has in registers: the locked instruction waits for each store before it.
//
//go:noinline
func (q *Queue[T]) putOne(ctx context.Context, v T) error {
	_, err := q.putSlow(ctx, []T{v}, "put into")
	return err
}

// putBehind is Put of one who has the lock, and may have no room.
//
//go:noinline
func (q *Queue[T]) putBehind(ctx context.Context, v T) error {
	if err := q.leave(&q.puts); err != nil {
		return q.wrap("put into", err)
	}
	return q.putOne(ctx, v)
}

// fetched is how many slots are fetched at a time, for writing, as many ahead of the tail; it divides how many slots there are
// where there is so much room. Here the lock of the next put waits for this one's stores besides.
const fetched = 16

// fetch has the CPU fetch slots that are written soon, unless somebody may be about to read them.
func (q *queue) fetch(at uint64) {
	at += fetched
	if at+2*fetched > q.state.limit.Load() || q.stride > segment.Line {
		return
	}
	const line = 64
	futex.PrefetchWrite(q.sequence(at), line, int(q.stride*fetched/line))
}

// putFetching is what is left to do for a Put that has committed at that position, and for whom it is time to fetch slots.
func (q *queue) putFetching(at uint64) error {
	if at&(fetched-1) == 0 {
		q.fetch(at)
	}
	return q.put(q.puts.Release())
}

// put is what is left to do for a Put that has committed, when somebody is to be woken, or the segment was closed.
func (q *queue) put(released bool) error { return q.wrap("put into", q.settlePut(released)) }

// settlePut is put without its error's words: a Pipe has others.
func (q *queue) settlePut(released bool) error {
	err := q.settle(&q.puts, released)
	q.tellItems()
	return err
}

// TryPut puts v if there is room, and reports whether it did. (A queue that drops makes room.) It fails with ErrBusy when
// another process is stopped in the middle of a put, and else as Put does: of that it is sure when it has polled for 2 ms, which is
// more than a put takes whose CPU is not taken away. It never sleeps.
func (q *Queue[T]) TryPut(v T) (bool, error) {
	n, err := q.putOnce([]T{v})
	return n == 1, err
}

// PutMany puts the messages in their order, and waits while there is no room for the next. It returns how many it put, which
// is all unless there is an error. Messages of others may come between them. One who is killed in the middle has put the
// first of them, or none, or all.
func (q *Queue[T]) PutMany(ctx context.Context, vs []T) (int, error) {
	n := 0
	for n < len(vs) {
		k, err := q.putSlow(ctx, vs[n:], "put into")
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// putSlow puts the first of the messages, and perhaps others, as soon as there is room.
func (q *Queue[T]) putSlow(ctx context.Context, vs []T, op string) (int, error) {
	pack, draft, err := q.pack(ctx, &vs[0])
	defer draft.end()
	if err != nil {
		return 0, q.wrap(op, err)
	}
	for rescued := false; ; rescued = true {
		var n int
		n, err = q.fill(ctx, vs, &pack)
		if n == 0 && err == nil {
			switch {
			case q.flags&failing == 0:
				err = q.awaitRoom(ctx, pack.size())
			case !rescued:
				q.rescue(true) // who has died may have taken some
				continue
			default:
				err = ErrFull
			}
		}
		if n > 0 || err != nil {
			q.unpack(&pack, n == 0)
			return n, q.wrap(op, err)
		}
	}
}

// putOnce is putSlow that does not wait.
func (q *Queue[T]) putOnce(vs []T) (int, error) {
	pack, draft, err := q.pack(atOnce, &vs[0])
	defer draft.end()
	if err != nil {
		return 0, q.wrap("put into", err)
	}
	n, err := q.fill(atOnce, vs, &pack)
	if n == 0 && err == nil {
		q.rescue(true) // who has died may have taken some
		n, err = q.fill(atOnce, vs, &pack)
	}
	q.unpack(&pack, n == 0)
	return n, q.wrap("put into", err)
}

// maxHold is how many messages are put, or taken, under a lock at most, so that nobody holds one for long.
const maxHold = 64

// fill puts as many of the messages as there is room for, or, where each is packed, the first, and reports how many these
// were.
func (q *Queue[T]) fill(ctx context.Context, vs []T, pack *pack) (n int, err error) {
	if err := q.seg.Writable(); err != nil {
		return 0, err
	}
	if err := q.enter(ctx, &q.puts); err != nil {
		return 0, err
	}
	room, err := q.makeRoom(ctx, pack.size())
	at := q.state.tail.Load()
	switch {
	case err != nil:
	case q.isShut():
		err = ErrShutDown
	case room == 0:
	case q.boxed:
		if err = q.store(at, pack); err == nil {
			n = 1
		}
	default:
		n = int(min(uint64(len(vs)), room, maxHold))
		for i := range n {
			q.write(at+uint64(i), vs[i])
		}
		q.state.tail.Store(at + uint64(n))
	}
	if err == nil && n > 0 {
		q.state.limit.Store(q.state.head.Load() + q.capacity)
	}
	if left := q.leave(&q.puts); left != nil {
		return n, errors.Join(err, left)
	}
	if n > 0 {
		q.tellItems()
	}
	return n, err
}

// write puts v, which is plain memory, at the tail.
func (q *Queue[T]) write(at uint64, v T) {
	if !q.bare {
		q.codec.Clean(&v)
	}
	s := q.sequence(at)
	*message[T](s) = v
	q.commit(s, at)
}

// commit has the message in the slot be there.
func (q *queue) commit(sequence *word.Uint64, at uint64) {
	if race.Enabled {
		q.race.Release(raceItems)
	}
	futex.Publish(sequence, at+1) // pairs with the load in (*Queue).Get
}

// makeRoom is how many messages there is room for, for who has puts; if each has as many bytes as the next, which are
// only counted where there is a bound, it is 1 at most. A queue that drops drops what stands in the way.
func (q *queue) makeRoom(ctx context.Context, size uint64) (uint64, error) {
	if q.bound > 0 && size > q.bound {
		return 0, fmt.Errorf("%d bytes, at most %d: %w", size, q.bound, ErrTooLarge)
	}
	for range q.capacity + 1 {
		room, err := q.spare(size)
		if room > 0 || err != nil || q.flags&dropping == 0 || q.isShut() {
			return room, err
		}
		if err := q.drop(ctx, 1); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// spare is makeRoom that drops nothing.
func (q *queue) spare(size uint64) (uint64, error) {
	head, tail := q.state.head.Load(), q.state.tail.Load()
	n := tail - head
	if n > q.capacity {
		return 0, fmt.Errorf("%d messages of %d, from %d on: %w", int64(n), q.capacity, head, ErrCorrupt)
	}
	room := q.capacity - n
	if q.bound > 0 && room > 0 && n > 0 {
		if q.through(tail)-q.state.drained.Load()+size > q.bound {
			return 0, nil
		}
		room = 1
	}
	return room, nil
}

// awaitRoom waits until there may be room for a message of that size, or nothing can be put any more.
func (q *queue) awaitRoom(ctx context.Context, size uint64) error {
	var slept bool
	look := func(sleeping bool) bool {
		if slept && sleeping {
			q.state.eager.Store(1) // pairs with the load in tellRoom
		}
		q.rescue(false)
		room, err := q.spare(size)
		return room > 0 || err != nil || q.isShut() || q.seg.Self() == 0
	}
	return q.room.Wait(ctx, segment.Wait{
		Try:        func() bool { return look(true) },
		Poll:       func() bool { return look(false) },
		Slept:      func() { slept = true },
		Impatient:  true,
		Asymmetric: futex.Owing,
		Passed:     q.state.head.Load,
	})
}
