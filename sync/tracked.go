package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// trackedPermits are those of a Semaphore with the option Tracked. A process's row says how many it has,
// and what no row has is free: so a permit is taken, given back, or comes back from the dead by one store.
// The lock keeps two from taking the same; nobody who gives back waits for it.
type trackedPermits struct {
	state  *trackedState
	lock   segment.Lock
	point  *segment.Point
	ledger *ledger
}

var trackedShape = shapeOf[trackedState](segment.KindTracked, tracked|bounded)

func trackedOf(p place, state *trackedState, err error) (*Semaphore, error) {
	if err != nil {
		return nil, err
	}
	t := &trackedPermits{
		state:  state,
		lock:   p.seg.LockAt(p.off + trackedLock),
		point:  p.seg.Point(p.off+trackedEvent, segment.Shared),
		ledger: ledgerAt(p, &state.used, &state.rows, state.settle),
	}
	// The fast path finds no permit, ever.
	return &Semaphore{place: p, state: new(semaphoreState), race: race.At(p.seg.ID(), p.off), point: t.point, tracked: t}, nil
}

// settle gives the permits of a dead process back.
func (t *trackedState) settle(_ *ledger, r *row) {
	r.count.Store(0)
	t.event.Broadcast()
}

// free is how many permits no row has.
func (t *trackedPermits) free() int64 { return t.state.free() }

func (t *trackedState) free() int64 {
	total, taken := t.total, t.rows.sum(t.used.Load())
	if total < 0 || taken > uint64(total) { // while others give back, or a hostile peer writes
		return 0
	}
	return total - int64(taken)
}

// take takes n permits if that many are free. It waits for the lock until ctx is over.
func (t *trackedPermits) take(ctx context.Context, n int64) (bool, error) {
	r, err := t.ledger.own()
	if err == nil {
		err = enter(ctx, &t.lock)
	}
	if err != nil {
		return false, err
	}
	ok := t.free() >= n
	if ok {
		r.count.Add(uint64(n))
	}
	return ok, t.lock.Unlock()
}

// tryPatience is how long a try waits for somebody who has the lock, and is about to give it up.
const tryPatience = time.Millisecond

func (t *trackedPermits) try(n int64) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tryPatience)
	defer cancel()
	for swept := false; ; swept = true {
		ok, err := t.take(ctx, n)
		if errors.Is(err, context.DeadlineExceeded) {
			return false, nil
		}
		if ok || err != nil || swept {
			return ok, err
		}
		t.ledger.sweep()
	}
}

func (t *trackedPermits) acquire(ctx context.Context, n int64) error {
	var result error
	look := func() bool {
		ok, err := t.take(ctx, n)
		result = err
		return ok || err != nil
	}
	ok, err := t.take(ctx, n)
	if ok || err != nil {
		return err
	}
	t.ledger.sweep()
	err = t.point.Wait(ctx, segment.Wait{
		Try:   look,
		Poll:  func() bool { return t.free() >= n && look() },
		Slept: t.ledger.sweep,
	})
	if err != nil {
		return err
	}
	return result
}

// release needs no lock: nobody else gives this process's permits back.
func (t *trackedPermits) release(n int64) error {
	r, err := t.ledger.own()
	if err != nil {
		return err
	}
	if has := r.lessen(uint64(n)); has < uint64(n) {
		return fmt.Errorf("%d permits of %d that this process has: %w", n, has, ErrCount)
	}
	t.point.Event().Broadcast()
	return nil
}
