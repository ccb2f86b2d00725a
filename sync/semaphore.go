package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Semaphore counts permits that processes take and give back. It takes 32 bytes. Permits belong to
// nobody, and whoever releases need not have acquired, but for the option Tracked.
type Semaphore struct {
	_ noCopy
	place
	state   *semaphoreState
	race    race.Word
	point   *segment.Point
	tracked *trackedPermits // nil without Tracked
}

var semaphoreShape = shapeOf[semaphoreState](segment.KindSemaphore, bounded)

// Bounded has a Semaphore refuse to have more permits free than it was made with: Release then fails with
// ErrCount, and changes nothing.
func Bounded() shm.ObjectOption { return func(s *segment.Spec) { s.Variant |= bounded } }

// Tracked has a Semaphore know which process has which permits: those of a process that dies come back, and
// no process can release what it has not acquired, so that it is bounded, too. Such a Semaphore takes 1,088
// bytes, 64 processes can have permits of it at the same time, and each call takes a lock.
func Tracked() shm.ObjectOption { return func(s *segment.Spec) { s.Variant |= tracked } }

// NewSemaphore makes a Semaphore of n permits, 0 or more, in seg; Bounded and Tracked are its options. It
// fails with ErrCount, shm.ErrExist, and shm.ErrNoSpace.
func NewSemaphore(seg *shm.Segment, n int64, opts ...shm.ObjectOption) (*Semaphore, error) {
	v := variant(opts)
	if n < 0 || n == 0 && v != 0 {
		return nil, fmt.Errorf("sync: make semaphore of %d permits: %w", n, ErrCount)
	}
	if v&tracked != 0 {
		return trackedOf(trackedShape.make(seg, func(s *trackedState) { s.total = n }, opts))
	}
	return semaphoreOf(semaphoreShape.make(seg, func(s *semaphoreState) {
		s.value.Store(n)
		if v&bounded != 0 {
			s.limit = n
		}
	}, opts))
}

// OpenSemaphore finds the Semaphore of that name. It fails with shm.ErrNotExist, and with
// shm.ErrKind if something else has the name.
func OpenSemaphore(seg *shm.Segment, name string) (*Semaphore, error) {
	s, err := semaphoreOf(semaphoreShape.open(seg, name))
	if errors.Is(err, shm.ErrKind) {
		if t, e := trackedOf(trackedShape.open(seg, name)); e == nil {
			return t, nil
		}
	}
	return s, err
}

// SemaphoreFrom returns the Semaphore that ref names. It fails with shm.ErrStale if it is not in
// seg.
func SemaphoreFrom(seg *shm.Segment, ref shm.Ref) (*Semaphore, error) {
	s, err := semaphoreOf(semaphoreShape.from(seg, ref))
	if errors.Is(err, shm.ErrKind) {
		if t, e := trackedOf(trackedShape.from(seg, ref)); e == nil {
			return t, nil
		}
	}
	return s, err
}

func semaphoreOf(p place, state *semaphoreState, err error) (*Semaphore, error) {
	if err != nil {
		return nil, err
	}
	return &Semaphore{place: p, state: state, race: race.At(p.seg.ID(), p.off),
		point: p.seg.Point(p.off+semaphoreEvent, segment.Shared)}, nil
}

// Ref names the Semaphore.
func (s *Semaphore) Ref() shm.Ref { return s.ref }

// Acquire takes n permits, 1 or more, all at once, and blocks until it can or ctx is over. Within a
// process, those who wait are served in their order. It fails with ErrCount, shm.ErrClosed, shm.ErrCorrupt,
// and the context's error.
func (s *Semaphore) Acquire(ctx context.Context, n int64) error {
	if s.take(n) {
		return nil
	}
	return s.acquireSlow(ctx, n)
}

// TryAcquire takes n permits if that many are free, and reports whether it did. It never blocks.
func (s *Semaphore) TryAcquire(n int64) (bool, error) {
	if s.take(n) {
		return true, nil
	}
	return s.trySlow(n)
}

func (s *Semaphore) trySlow(n int64) (bool, error) {
	if err := s.usable(n); err != nil {
		return false, s.wrap("acquire", err)
	}
	if s.tracked != nil {
		got, err := s.tracked.try(n)
		return got, s.wrap("acquire", err)
	}
	if s.insist(n) {
		return true, nil
	}
	return false, s.wrap("acquire", cmp.Or(s.usable(n), s.sound()))
}

// take is the fast path. A closed segment is told by its self word.
func (s *Semaphore) take(n int64) bool {
	v := s.state.value.Load()
	ok := n > 0 && v >= n && s.seg.Self() != 0 && s.state.value.CompareAndSwap(v, v-n)
	if race.Enabled && ok {
		s.race.Acquire(0)
	}
	runtime.KeepAlive(s) // the mapping goes with the last handle
	return ok
}

func (s *Semaphore) acquireSlow(ctx context.Context, n int64) error {
	if err := s.usable(n); err != nil {
		return s.wrap("acquire", err)
	}
	if s.tracked != nil {
		return s.wrap("acquire", s.tracked.acquire(ctx, n))
	}
	if s.insist(n) {
		return nil // who need not wait does not look at the context
	}
	var result error
	err := s.point.Wait(ctx, segment.Wait{Try: func() bool {
		if s.insist(n) {
			return true
		}
		result = s.sound()
		return result != nil
	}})
	return s.wrap("acquire", cmp.Or(err, result))
}

// insist takes n permits if that many are free: somebody else may be quicker between take's load and
// its swap, and enough be left all the same. It reports false, too, if the segment is closed.
func (s *Semaphore) insist(n int64) bool {
	for s.state.value.Load() >= n {
		if s.take(n) {
			return true
		}
		if s.seg.Self() == 0 {
			return false
		}
	}
	return false
}

// sound reports whether the count is one that a semaphore can have.
func (s *Semaphore) sound() error {
	if v := s.state.value.Load(); v < 0 {
		return fmt.Errorf("%d permits: %w", v, shm.ErrCorrupt)
	}
	return nil
}

func (s *Semaphore) usable(n int64) error {
	if n <= 0 {
		return fmt.Errorf("%d permits: %w", n, ErrCount)
	}
	return s.seg.Writable()
}

// Release gives n permits back, 1 or more, and wakes those who can go on. It never blocks. It fails
// with ErrCount if there would be more than the largest int64, or than the options allow, and with
// shm.ErrClosed and shm.ErrCorrupt.
func (s *Semaphore) Release(n int64) error {
	if err := s.usable(n); err != nil {
		return s.wrap("release", err)
	}
	if s.tracked != nil {
		return s.wrap("release", s.tracked.release(n))
	}
	if race.Enabled {
		s.race.Release(0)
	}
	for {
		v := s.state.value.Load()
		if v < 0 {
			return s.wrap("release", fmt.Errorf("%d permits: %w", v, shm.ErrCorrupt))
		}
		if limit := s.state.limit; v+n < v || limit > 0 && v+n > limit {
			return s.wrap("release", fmt.Errorf("%d permits beside %d: %w", n, v, ErrCount))
		}
		if s.state.value.CompareAndSwap(v, v+n) { // pairs with Announce: CAS, then load of mark
			break
		}
	}
	// Those who wait may want different numbers, so whoever is woken alone might be unable to go on
	// while another one could: all are woken, which is one goroutine a process.
	s.point.Event().Broadcast()
	// Close may have put its zeros under the count.
	return s.wrap("release", s.usable(n))
}

// Value is how many permits are free. It is out of date as soon as it returns.
func (s *Semaphore) Value() int64 {
	if s.tracked != nil {
		return s.tracked.free()
	}
	return s.state.value.Load()
}
