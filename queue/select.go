package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Waiter is something that Select waits for: a Queue, a Pipe, a Listener, a sync.Event, or a channel (see Closed), among which are those that a
// process closes when it has ended.
type Waiter = segment.Waiter

// errNone: nothing to wait for.
var errNone = errors.New("nothing to wait for")

// Select waits until one of those is ready, and returns its number, the first if there are several: of a Queue, that Get would not wait;
// of a Pipe, that Recv would not; of a Listener, that Accept would not; of an Event, that it is set; of a channel, that it is closed. What
// is closed is ready, and says so when it is used. It takes nothing: so if others get from the same queue, the message may be gone by then, and one
// tries (TryGet, TryRecv), and selects again.
//
// It is one wait for any number of them. It has no thread of its own, and leaves no goroutine behind. It fails with the context's
// error, if there is nothing to wait for, or one is nil, with shm.ErrReadOnly in a segment that is observed, and may with shm.ErrClosed when a segment is closed at the
// same time.
func Select(ctx context.Context, waiters ...Waiter) (int, error) {
	if len(waiters) == 0 {
		return -1, fmt.Errorf("queue: select: %w", errNone)
	}
	all := make([]segment.Waits, len(waiters))
	for i, w := range waiters {
		if w == nil {
			return -1, fmt.Errorf("queue: select: waiter %d is nil", i)
		}
		all[i] = w.Waits()
	}
	i, err := segment.WaitAny(ctx, all)
	if err != nil {
		return -1, fmt.Errorf("queue: select: %w", err)
	}
	return i, nil
}

// Closed is a Waiter for the close of a channel, such as the Done of a proc.Process, or of a context.
func Closed(c <-chan struct{}) Waiter { return closing(c) }

type closing <-chan struct{}

// Waits is for Select.
func (c closing) Waits() segment.Waits {
	return segment.Waits{Done: c, Ready: func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}}
}

// Waits is for Select.
func (q *Queue[T]) Waits() segment.Waits {
	w := segment.Waits{
		Points: []*segment.Point{q.items},
		Ready:  func() bool { return q.seen() || q.isShut() || q.seg.Self() == 0 },
	}
	if q.flags&leased != 0 {
		if q.seg.Writable() == nil {
			q.reclaim(q.seg.Gone) // of those who died before, nobody tells
		}
		w.Ready = q.leasable
	}
	return w
}

// Waits is for Select.
func (p *Pipe[S, R]) Waits() segment.Waits {
	w := segment.Waits{Bells: &p.bells, Ready: func() bool {
		ready, err := p.ready()
		return ready || err != nil
	}}
	if p.in.queue != nil {
		w.Points = []*segment.Point{p.in.items}
	}
	return w
}

// Waits is for Select.
func (l *Listener) Waits() segment.Waits {
	return segment.Waits{Bells: &l.bells, Ready: func() bool {
		select {
		case <-l.ended:
			return true
		default:
			return len(l.conns) > 0
		}
	}}
}
