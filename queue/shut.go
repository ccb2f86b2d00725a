package queue

import (
	"context"

	"github.com/kindred-ipc/kindred/internal/race"
)

// Shutdown ends the queue for every process: from now on nothing can be put, and whoever waits for room gets ErrShutDown.
// Who gets drains the queue, and then gets ErrShutDown. To shut it down again changes nothing. Errors: ErrClosed.
func (q *Queue[T]) Shutdown() error { return q.wrap("shut down", q.shutDown(false)) }

// ShutdownNow is Shutdown that drops what is in the queue, and what comes back to it. A process that dies in it has shut the queue down, or not; then
// what is there is dropped, or left for those who get.
func (q *Queue[T]) ShutdownNow() error { return q.wrap("shut down", q.shutDown(true)) }

func (q *queue) shutDown(now bool) error {
	if err := q.seg.Writable(); err != nil {
		return err
	}
	ctx := context.Background()
	if err := q.enter(ctx, &q.puts); err != nil {
		return err
	}
	if race.Enabled {
		q.race.Release(raceItems)
	}
	q.state.limit.Store(0)
	shut := uint32(shutDown)
	if now && q.flags&leased != 0 {
		shut = dropped
	}
	q.state.shut.Store(max(shut, q.state.shut.Load())) // behind all that was put
	var err error
	if now {
		err = q.drop(ctx, q.capacity)
		q.discard()
	}
	if left := q.leave(&q.puts); left != nil {
		return left
	}
	q.items.Rouse()
	q.room.Rouse()
	q.idle.Rouse()
	return err
}
