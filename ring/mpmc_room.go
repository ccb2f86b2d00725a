package ring

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/race"
)

// A lane has a quota of the ring's capacity. Who needs more in one takes what another has left.
//
//	quotas                       who
//	sum is capacity  the same    who has two lanes locked: moves what one has left to the other
//
// Whoever has a lane waits for nothing: the second lock is tried.

// refill is up to where may be pushed to a lane that is locked, and whose tail is at. It gets the lane a
// larger quota if it needs one.
func (m *MPMC[T]) refill(l *track[T], at uint64, how manner) (limit uint64, busy bool, err error) {
	for range tryAgain {
		head := m.front(l)
		used := at - head
		quotas := m.hall.quotas.Load()
		if used > m.mask+1 || at >= maxEnd || m.sum(quotas) != m.capacity {
			return 0, false, fmt.Errorf("lane %d from %d to %d, quotas %#x: %w", l.takes, head, at, quotas, ErrCorrupt)
		}
		if race.Enabled {
			m.race.Acquire(m.raceHead(l))
		}
		if quota := m.quota(quotas, l.takes); used < quota {
			limit = min(head+quota, maxEnd)
			l.limit.Store(limit)
			return limit, false, nil
		}
		more, others, err := m.borrow(l, how)
		if !more || err != nil {
			return 0, others, err
		}
	}
	return 0, true, nil
}

// borrow moves half of what another lane has left of its quota to l, which is locked: of one that is not locked, if
// there is one that has some. If it can not, it reports whether others stood in the way.
func (m *MPMC[T]) borrow(l *track[T], how manner) (ok, busy bool, err error) {
	n, quotas := uint64(len(m.lanes)), m.hall.quotas.Load()
	for k := uint64(1); k < 2*n; k++ {
		from := &m.lanes[(l.takes+k)%n]
		if from == l || m.left(from) == 0 || k < n && from.lock.Load() != 0 {
			continue
		}
		locked, err := m.lock(from, how)
		if err == nil && !locked {
			locked, err = m.revoke(from)
		}
		if err != nil {
			return false, false, err
		}
		if !locked {
			busy = true
			continue
		}
		left := m.left(from)
		if left > 0 {
			from.limit.Store(from.tail.Load())
			ok = m.move(from.takes, l.takes, (left+1)/2)
			busy = busy || !ok
		}
		m.unlock(from.lane)
		if ok {
			return true, false, nil
		}
	}
	// What was moved meanwhile may be left in a lane that was looked at before.
	return false, busy || m.hall.quotas.Load() != quotas, nil
}

// left is how much of its quota a lane does not use. Unless it is locked, that is a guess: too much if values
// were pushed whose tail is not stored yet, or never will be because who pushed them died.
func (m *MPMC[T]) left(l *track[T]) uint64 {
	tail, head := l.tail.Load(), m.front(l)
	quota := m.quota(m.hall.quotas.Load(), l.takes)
	if tail <= head {
		return quota // beyond tail when those values were popped already
	}
	if used := tail - head; used < quota {
		return quota - used
	}
	return 0
}

// move moves n of a lane's quota to another lane. Both are locked, so that these two change for nobody else. It
// reports false if others always came before it.
func (m *MPMC[T]) move(from, to, n uint64) bool {
	width := uint64(quotaBits(len(m.lanes)))
	for range tryAgain {
		old := m.hall.quotas.Load()
		if m.hall.quotas.CompareAndSwap(old, old-n<<(from*width)+n<<(to*width)) {
			return true
		}
	}
	return false
}

func (m *MPMC[T]) quota(quotas, lane uint64) uint64 { return quotaIn(quotas, len(m.lanes), lane) }

func quotaIn(quotas uint64, lanes int, lane uint64) uint64 {
	width := uint64(quotaBits(lanes))
	return quotas >> (lane * width) & (1<<width - 1)
}

func (m *MPMC[T]) sum(quotas uint64) uint64 { return sumOf(quotas, len(m.lanes)) }

func sumOf(quotas uint64, lanes int) (n uint64) {
	for i := range lanes {
		n += quotaIn(quotas, lanes, uint64(i))
	}
	return n
}
