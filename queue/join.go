package queue

import (
	"context"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// AbandonedError is what a Join returns when processes died that had taken messages and not said Done. It is an ErrAbandoned.
type AbandonedError struct {
	Messages int // since the last such error, in whatever process
}

func (e *AbandonedError) Error() string {
	messages := "messages"
	if e.Messages == 1 {
		messages = "message"
	}
	return fmt.Sprintf("%d %s %v", e.Messages, messages, ErrAbandoned)
}

// Unwrap is ErrAbandoned.
func (e *AbandonedError) Unwrap() error { return ErrAbandoned }

// The row of a participant, in a queue that is joinable:
//
//	owner          to          who
//	0, or dead     owner       the first get of a participant in that slot; what the one before had is abandoned first
//
// taken and abandoned are stored by who has gets, done by the owner's goroutines. Each only grows, so what all rows have is
// known without a lock.

// Done says that one message that this process took is done. It fails with ErrDone if all that it took are, with
// ErrNotJoinable, as it does if the queue has leases, whose Ack says so; and with ErrClosed.
func (q *Queue[T]) Done() error {
	if q.flags&leased != 0 || q.flags&joinable == 0 {
		return q.wrap("say done of", ErrNotJoinable)
	}
	if err := q.seg.Writable(); err != nil {
		return q.wrap("say done of", err)
	}
	r := &q.table[q.mine()]
	if race.Enabled {
		q.race.Release(raceDone)
	}
	for {
		done := r.done.Load()
		if r.owner.Load() != uint64(q.seg.Self()) || int64(r.taken.Load()-r.abandoned.Load()-done) <= 0 {
			return q.wrap("say done of", ErrDone)
		}
		if r.done.CompareAndSwap(done, done+1) {
			break
		}
	}
	if !q.idle.Event().Idle() && q.allDone() {
		q.idle.Broadcast()
	}
	return nil
}

// Join waits until each message that was put is done: until Done was said of it, or it was dropped. What a process had
// taken and not done when it died counts as done; the first Join that ends behind that fails with an *AbandonedError that says how
// many messages these were. With leases, a message is done when its lease was ended by Ack, when it is in the queue for the dead,
// or dropped; what a dead process had is handed out again. Other errors: ErrNotJoinable, ErrClosed, and the context's.
func (q *Queue[T]) Join(ctx context.Context) error {
	if q.flags&(joinable|leased) == 0 {
		return q.wrap("join", ErrNotJoinable)
	}
	if err := q.seg.Writable(); err != nil {
		return q.wrap("join", err)
	}
	for !q.allDone() {
		if err := q.bury(ctx); err != nil {
			return q.wrap("join", err)
		}
		if q.allDone() {
			break
		}
		err := q.idle.Wait(ctx, segment.Wait{
			Try:        func() bool { return q.allDone() || q.bereaved(q.seg.Swept) || q.seg.Self() == 0 },
			Asymmetric: futex.Owing,
		})
		if err != nil {
			return q.wrap("join", err)
		}
	}
	if race.Enabled {
		q.race.Acquire(raceDone)
	}
	err := q.report()
	if closed := q.seg.Writable(); closed != nil {
		err = closed // these were Close's zeros
	}
	return q.wrap("join", err)
}

// report says of abandoned messages, once.
func (q *queue) report() error {
	all := uint64(0)
	for i := range q.table {
		all += q.table[i].abandoned.Load()
	}
	for told := q.state.reported.Load(); int64(all-told) > 0; told = q.state.reported.Load() {
		if q.state.reported.CompareAndSwap(told, all) {
			return &AbandonedError{Messages: int(all - told)}
		}
	}
	return nil
}

// mine is the number of this process's row.
func (q *queue) mine() uint64 { return uint64(q.seg.Self().Slot()) }

// count is what taker names, if anything: what was dropped, or what the owners of a row have taken.
func (q *queue) count(taker uint64) *word.Uint64 {
	switch {
	case q.flags&joinable == 0:
		return nil
	case taker == 0:
		return &q.state.dropped
	case taker > uint64(len(q.table)):
		return nil // a hostile peer's
	}
	return &q.table[taker-1].taken
}

// adopt makes the row of this process's slot its own, and returns the number. The caller has gets.
func (q *queue) adopt() uint64 {
	i := q.mine()
	r, self := &q.table[i], uint64(q.seg.Self())
	if r.owner.Load() != self {
		q.forsake(r)
		r.owner.Store(self)
	}
	return i
}

// forsake counts what the dead owner of a row had as abandoned. It may be begun again. The caller has gets.
func (q *queue) forsake(r *row) { r.abandoned.Store(r.taken.Load() - r.done.Load()) }

// allDone reports whether everything that was put is done, at one moment of the call.
func (q *queue) allDone() bool {
	put := q.end()
	if q.flags&leased != 0 {
		return q.state.head.Load() == put && q.allIn() && q.end() == put
	}
	done := q.state.dropped.Load()
	for i := range q.table {
		r := &q.table[i]
		done += r.done.Load() + r.abandoned.Load()
	}
	return done == put && q.end() == put
}

// bereaved reports whether somebody died with messages that are not done.
func (q *queue) bereaved(gone func(segment.Owner) bool) bool {
	if q.halfway() {
		if holder, _ := q.gets.Holder(); holder != 0 && gone(holder) {
			return true
		}
	}
	for i := range q.table {
		if q.leftBehind(&q.table[i], gone) {
			return true
		}
	}
	for i := range q.high() {
		b := q.bay(i)
		if w := b.word.Load() & status; w == leasedOut || w == buried {
			if o := segment.OwnerOf(b.owner.Load()); o != q.seg.Self() && gone(o) {
				return true
			}
		}
	}
	return false
}

func (q *queue) leftBehind(r *row, gone func(segment.Owner) bool) bool {
	o := segment.OwnerOf(r.owner.Load())
	return o != 0 && o != q.seg.Self() && r.taken.Load()-r.done.Load()-r.abandoned.Load() != 0 && gone(o)
}

// bury counts what the dead had as abandoned.
func (q *queue) bury(ctx context.Context) error {
	if !q.bereaved(q.seg.Gone) {
		return nil
	}
	if err := q.enter(ctx, &q.gets); err != nil {
		return err
	}
	if q.reclaim(q.seg.Gone) {
		defer q.tellItems()
	}
	for i := range q.table {
		if r := &q.table[i]; q.leftBehind(r, q.seg.Gone) {
			q.forsake(r)
		}
	}
	return q.leave(&q.gets)
}
