package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// trackedPermits are those of a Semaphore with the option Tracked. A process's row says how many it has,
// and what no row has is free: so a permit is taken, given back, or comes back from the dead by one store.
// The lock keeps two from taking the same; nobody who gives back waits for it.
type trackedPermits struct {
	total  int64
	lock   segment.Lock
	point  *segment.Point
	ledger *ledger
}

// track makes s one that is tracked, of n permits.
func (s *Semaphore) track(n int64) {
	s.tracked = &trackedPermits{
		total:  n,
		lock:   s.seg.LockAt(s.off + semaphoreLock),
		point:  s.point,
		ledger: ledgerAt(s.place, s.point, sideBySide, &s.state.rows, s.state.settle),
	}
}

// settle gives the permits of a dead process back.
func (s *SemaphoreState) settle(l *ledger, r *row) {
	r.count.Store(0)
	l.point.Broadcast()
}

// free is how many permits no row has.
func (t *trackedPermits) free() int64 { return freeOf(t.total, t.ledger) }

func freeOf(total int64, l *ledger) int64 {
	taken := l.sum()
	if taken > uint64(total) { // while others give back, or a hostile peer writes
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
		t.ledger.hear()
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
		t.ledger.bury()
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
	t.ledger.say()
	if has := r.lessen(uint64(n)); has < uint64(n) {
		return t.ledger.seg.Sound(fmt.Errorf("%d permits of %d that this process has: %w", n, has, ErrCount))
	}
	t.point.Broadcast()
	return nil
}
