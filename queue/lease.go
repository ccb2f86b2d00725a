package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Lease is a message that was handed out, and is not done: it comes again if whoever has it dies, or says Nack. A Lease is
// this process's, and any of its goroutines may end it, once.
type Lease[T any] struct {
	Message T
	// Deliveries is how often the message was handed out, this time included.
	Deliveries int

	q    *queue
	bay  uint64
	word uint64 // of the bay, while the lease lasts
}

// Ack says that the message is done, which ends the lease. It fails with ErrLease if the lease had ended before, and with
// ErrClosed. It waits for nobody. One who dies in it has said so, or not.
func (l *Lease[T]) Ack() error {
	if l.q == nil {
		return fmt.Errorf("queue: end a lease: %w", ErrLease)
	}
	return l.q.wrap("end a lease of", l.q.ack(l.bay, l.word))
}

// Nack gives the message back, which ends the lease: it is handed out again, before those that were not yet, but for what somebody is
// taking at the same time. Errors and waits are those of Ack.
func (l *Lease[T]) Nack() error {
	if l.q == nil {
		return fmt.Errorf("queue: end a lease: %w", ErrLease)
	}
	return l.q.wrap("end a lease of", l.q.nack(l.bay, l.word))
}

// Lease takes the next message, of a queue that was made with Leases, until Ack or Nack is called. Those that came back are
// next, in their order, before those that were never handed out. It waits while there is none, or as many leases as
// the queue has slots. Once the queue is shut down, and all is handed out, it waits for what others have, which may come
// back, and fails with ErrShutDown when other processes have nothing any more (for what this one has it does not wait). A message that does not decode is an error, and done, but if there is a queue for
// the dead, or it has a file, and this process as many as it may (syscall.EMFILE): then it comes back. Errors: ErrNoLeases, those of Get, and ErrNoSpace, if there is none to move a message to the queue for the dead, and no other
// message.
func (q *Queue[T]) Lease(ctx context.Context) (l Lease[T], err error) {
	for {
		ok, err := q.lease(ctx, &l)
		if ok || err != nil {
			return l, q.wrap("lease from", err)
		}
		if err := q.awaitLease(ctx); err != nil {
			return l, q.wrap("lease from", err)
		}
	}
}

// TryLease is Lease that does not wait, and reports whether there was a message. Errors: ErrBusy, and those of Lease.
func (q *Queue[T]) TryLease() (l Lease[T], ok bool, err error) {
	if q.flags&leased != 0 {
		q.reclaim(q.seg.Gone)
	}
	ok, err = q.lease(atOnce, &l)
	return l, ok && err == nil, q.wrap("lease from", err)
}

// getLeased is take of a queue with leases: what it returns is done.
func (q *Queue[T]) getLeased(ctx context.Context, vs []T) (n int, err error) {
	for n < len(vs) {
		var l Lease[T]
		if ok, err := q.lease(ctx, &l); err != nil || !ok {
			if n > 0 && !ok {
				err = nil // it comes again with the next call
			}
			return n, err
		}
		if err := q.ack(l.bay, l.word); err != nil {
			return n, err
		}
		vs[n] = l.Message
		n++
	}
	return n, nil
}

// lease hands out the next message, and reports whether there was one. With an error, it was one that does not decode.
func (q *Queue[T]) lease(ctx context.Context, l *Lease[T]) (bool, error) {
	if q.flags&leased == 0 {
		return false, ErrNoLeases
	}
	var unburied error // why one that is doomed stays, which is said if there is no other
	for burying := true; ; {
		if err := q.seg.Writable(); err != nil {
			return false, err
		}
		if !q.due(q.seg.Swept) && !q.isShut() {
			return false, q.sound()
		}
		if err := q.enter(ctx, &q.gets); err != nil {
			return false, err
		}
		q.reclaim(q.seg.Swept)
		i, what := q.choose(burying)
		at, word, err := q.state.head.Load(), uint64(0), error(nil)
		switch {
		case what == free:
			word = q.handOut(at, i, q.copyOut)
		case what != none:
			word = q.handAgain(i, what)
		case q.ended():
			err = ErrShutDown
		}
		if left := q.leave(&q.gets); left != nil {
			return false, left // what was handed out comes back with the end of the attach
		}
		if what == free {
			q.tellRoom(at+1, 1)
		}
		if what == buried && word != 0 {
			burying, unburied = q.handDown(ctx, i, word)
			continue
		}
		if word == 0 || err != nil {
			return false, errors.Join(err, unburied)
		}
		if race.Enabled {
			q.race.Acquire(raceItems)
		}
		if err := q.openBay(i, &l.Message); err != nil {
			return true, errors.Join(err, q.spoil(i, word, err))
		}
		l.q, l.bay, l.word, l.Deliveries = q.queue, i, word, deliveries(word)
		runtime.KeepAlive(q)
		return true, nil
	}
}

// copyOut copies a message that is plain memory into a bay.
func (q *Queue[T]) copyOut(at, i uint64) { *message[T](q.berth(i)) = *message[T](q.sequence(at)) }

// openBay decodes the message in a bay that this process has. What lies there stays.
func (q *Queue[T]) openBay(i uint64, v *T) error {
	if !q.boxed {
		if *v = *message[T](q.berth(i)); !q.bare && !q.codec.Sound(v) {
			*v = *new(T)
			return errNoBool
		}
		return nil
	}
	var c catch
	q.look(q.berthed(i), &c)
	return q.decode(&c, v)
}

// spoil ends the lease of a message that does not decode because of err: it goes to the queue for the dead in time, or is gone, unless this
// process has too many open files at the moment.
func (q *Queue[T]) spoil(i, word uint64, err error) error {
	if q.heir != nil || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return q.nack(i, word)
	}
	return q.ack(i, word)
}

// handDown moves a message that was handed out often enough into the queue for the dead, and reports whether that had room. Who dies
// in the middle leaves it in both, or in the bay.
func (q *Queue[T]) handDown(ctx context.Context, i, word uint64) (bool, error) {
	vs, p, err := make([]T, 1), pack{}, error(nil)
	var d *draft
	carried := error(nil)
	if q.codec.Carries() {
		carried = q.openBay(i, &vs[0])
	}
	switch {
	case errors.Is(carried, ErrShares) || errors.Is(carried, syscall.EMFILE) || errors.Is(carried, syscall.ENFILE):
		err = carried // of the moment
	case q.codec.Carries() && carried == nil:
		defer q.codec.Drop(&vs[0])
		p, d, err = q.heir.pack(ctx, &vs[0]) // what it names is kept for the new message, too
	case q.boxed:
		var c catch
		if q.look(q.berthed(i), &c); c.err == nil {
			p.bytes = append([]byte(nil), c.bytes()...)
			err = q.heir.packBytes(&p, false)
		}
		err = errors.Join(c.err, err)
	default:
		vs[0] = *message[T](q.berth(i))
	}
	defer d.end()
	n := 0
	if err == nil {
		n, err = q.heir.fill(ctx, vs, &p)
		q.heir.unpack(&p, n == 0)
	}
	if n == 1 {
		return true, q.ack(i, word)
	}
	q.giveBack(i, word)
	if errors.Is(err, ErrShutDown) {
		err = nil // it is handed out again, then
	}
	return false, err
}

// awaitLease waits until there may be a message to hand out, or none can come.
func (q *queue) awaitLease(ctx context.Context) error {
	if q.reclaim(q.seg.Gone) {
		return nil
	}
	return q.items.Wait(ctx, segment.Wait{
		Try:        func() bool { return q.leasable() || q.sound() != nil },
		Asymmetric: futex.Owing,
		Passed:     q.state.head.Load,
	})
}

// leasable reports whether Lease would not wait.
func (q *queue) leasable() bool {
	return q.due(q.seg.Swept) || q.isShut() && q.ended() || q.seg.Self() == 0
}
