package sync

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// Semaphore counts permits that processes take and give back. It takes 72 bytes, and a kibibyte of the heap when a process has used it
// alone for some time. Permits belong to nobody, and whoever releases need not have acquired, but for the option Tracked.
//
// A goroutine that acquires and releases while nobody else does comes to keep the permits, without
// a locked instruction; whoever else wants some then, or gives some, pays for a fence on all CPUs (some 15 µs), and the more often that happens, the
// longer a goroutine must have been alone to keep them again.
//
// The state says with how many permits it was made, which the first who comes stores by a swap, and how many
// are free, which is stored by a swap, too, before any handle is used. From then on the word of those is never
// 0, which is what Close puts under it.
type Semaphore struct {
	_ noCopy
	place
	state   *SemaphoreState
	value   *word.Int64 // of state; for an observer, who cannot write there, one that stays 0
	most    int64       // permits that may be free
	race    race.Word
	point   *segment.Point
	tracked *trackedPermits // nil without Tracked

	ledger  *ledger // of keepers, if there are some
	keepers *keepers
	keeps   int64 // permits that a keeper may have free
}

// counted is what the word has beside the permits that are free.
const counted = math.MinInt64

// uncounted is the word of observers.
var uncounted word.Int64

var semaphoreShape = shapeOf[SemaphoreState](segment.KindSemaphore, bounded|tracked)

// Bounded has a Semaphore refuse to have more permits free than it was made with: Release then fails with
// ErrCount, and changes nothing.
func Bounded() shm.ObjectOption {
	return func(s *segment.Spec) { s.Vary(segment.KindSemaphore, bounded) }
}

// Tracked has a Semaphore know which process has which permits: those of a process that dies come back, and
// no process can release what it has not acquired, so that it is bounded, too. Acquire then takes a lock, and
// a process that takes permits for the first time may need another half kibibyte of the segment for its row.
func Tracked() shm.ObjectOption {
	return func(s *segment.Spec) { s.Vary(segment.KindSemaphore, tracked) }
}

// The word made: the permits, and above them the variant.
const (
	maxPermits   = 1<<48 - 1
	variantShift = 48
	isMade       = 1 << 63
)

// NewSemaphore makes a Semaphore of n permits, 0 to 2⁴⁸-1, in seg; Bounded and Tracked are its options, and
// want 1 at least. It fails with ErrCount, shm.ErrExist, and shm.ErrNoSpace.
func NewSemaphore(seg *shm.Segment, n int64, opts ...shm.ObjectOption) (*Semaphore, error) {
	made, err := semaphoreMade(n, opts)
	if err != nil {
		return nil, err
	}
	return semaphoreOf(semaphoreShape.make(seg, func(s *SemaphoreState) { s.made.Store(made) }, opts))
}

func semaphoreMade(n int64, opts []shm.ObjectOption) (uint64, error) {
	v := variant(segment.KindSemaphore, opts)
	if n < 0 || n > maxPermits || n == 0 && v != 0 {
		return 0, fmt.Errorf("sync: make semaphore of %d permits: %w", n, ErrCount)
	}
	return isMade | uint64(v)<<variantShift | uint64(n), nil
}

// OpenSemaphore finds the Semaphore of that name. It fails with shm.ErrNotExist, and with
// shm.ErrKind if something else has the name.
func OpenSemaphore(seg *shm.Segment, name string) (*Semaphore, error) {
	return semaphoreOf(semaphoreShape.open(seg, name))
}

// OpenOrNewSemaphore opens the Semaphore of that name, or makes it, whoever else does the same. What it was made with counts, if it is there. For its errors see
// OpenSemaphore and NewSemaphore.
func OpenOrNewSemaphore(seg *shm.Segment, name string, n int64, opts ...shm.ObjectOption) (*Semaphore, error) {
	return segment.OrNew(func() (*Semaphore, error) { return OpenSemaphore(seg, name) },
		func() (*Semaphore, error) { return NewSemaphore(seg, n, append(slices.Clip(opts), shm.Named(name))...) })
}

// SemaphoreFrom returns the Semaphore that ref names. It fails with shm.ErrStale if it is not in
// seg.
func SemaphoreFrom(seg *shm.Segment, ref shm.Ref) (*Semaphore, error) {
	return semaphoreOf(semaphoreShape.from(seg, ref))
}

// SemaphoreAt returns the handle of a SemaphoreState that lies in seg, as part of a struct of the user's own.
// The first who asks makes it a semaphore of n permits with those options, and all others ask for the same.
// It fails with ErrCount if somebody made another one, with ErrOption, and with shm.ErrStale if the state
// does not lie there.
func SemaphoreAt(seg *shm.Segment, state *SemaphoreState, n int64, opts ...shm.ObjectOption) (*Semaphore, error) {
	made, err := semaphoreMade(n, opts)
	if err != nil {
		return nil, err
	}
	p, err := semaphoreShape.at(seg, state, opts...)
	if err == nil {
		err = p.settleOn(&state.made, made)
	}
	return semaphoreOf(p, state, err)
}

func semaphoreOf(p place, state *SemaphoreState, err error) (*Semaphore, error) {
	if err != nil {
		return nil, err
	}
	made := state.made.Load()
	if made&isMade == 0 {
		return nil, p.wrap("open", p.seg.Sound(fmt.Errorf("not made yet: %w", shm.ErrCorrupt)))
	}
	s := &Semaphore{place: p, state: state, value: &uncounted, most: math.MaxInt64, keepers: &noKeepers,
		race: race.At(p.seg.ID(), p.off), point: p.seg.Point(p.off+semaphoreEvent, segment.Shared)}
	v, n := uint32(made&^isMade>>variantShift), int64(made&maxPermits)
	if v&tracked != 0 {
		s.track(n) // the word stays 0: none is free for the fast path, ever
	}
	if p.seg.Writable() == nil {
		s.value = &state.value
		if s.tracked == nil {
			p.seg.BeforeClose(func() { s.value.CompareAndSwap(0, n|counted) })
			s.ledger = ledgerAt(p, s.point, ofKeepers, &state.rows, state.unkeep)
			s.keepers = &s.ledger.keepers
			futex.Register()
		}
	}
	if v&bounded != 0 {
		s.most = n
	}
	s.keeps = min(s.most, maxKept)
	return s, nil
}

// Ref names the Semaphore. It is zero if the handle came from SemaphoreAt.
func (s *Semaphore) Ref() shm.Ref { return s.ref() }

// Acquire takes n permits, 1 or more, all at once, and blocks until it can or ctx is over. Within a
// process, those who wait are served in their order. It fails with ErrCount, also if there are never as many (Bounded,
// Tracked), with shm.ErrClosed, shm.ErrCorrupt, and the context's error.
func (s *Semaphore) Acquire(ctx context.Context, n int64) error {
	if s.may() && n > 0 && s.kept(-n) || s.take(n) {
		return nil
	}
	return s.acquireSlow(ctx, n)
}

// TryAcquire takes n permits if that many are free, and reports whether it did. It waits for nobody; it may sleep for a
// millisecond where another process keeps the permits and the system has no membarrier, and for as long, of one with Tracked, while
// somebody else has its lock. Its errors are those of Acquire but the context's.
func (s *Semaphore) TryAcquire(n int64) (bool, error) {
	if s.may() && n > 0 && s.kept(-n) || s.take(n) {
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
	got, err := s.insist(n)
	return got, s.wrap("acquire", err)
}

// take is the fast path through the count. None is free in a closed segment, nor while somebody keeps them.
func (s *Semaphore) take(n int64) bool {
	v := s.value.Load()
	ok := n > 0 && freeIn(v) >= n && s.value.CompareAndSwap(v, v-n)
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
	got, err := s.insist(n)
	if got || err != nil {
		return s.wrap("acquire", err) // who need not wait does not look at the context
	}
	var result error
	err = s.point.Wait(ctx, segment.Wait{Try: func() bool {
		got, result = s.insist(n)
		return got || result != nil
	}})
	return s.wrap("acquire", cmp.Or(err, result))
}

// insist takes n permits if that many are free: somebody else may be quicker between take's load and
// its swap, or keep them, and enough be left all the same.
func (s *Semaphore) insist(n int64) (bool, error) {
	for {
		free, err := s.free()
		if err != nil || free < n {
			return false, err
		}
		if s.take(n) {
			return true, nil
		}
	}
}

// free is how many permits are free. If somebody keeps them, it recalls them. It fails if the segment is closed.
func (s *Semaphore) free() (int64, error) {
	v, err := s.state.settled(s.ledger)
	free := freeIn(v)
	return free, s.seg.Sound(cmp.Or(err, soundPermits(free)))
}

// freeIn is how many permits that word says are free.
func freeIn(v int64) int64 { return v ^ counted }

func soundPermits(free int64) error {
	if free < 0 {
		return fmt.Errorf("%d permits: %w", free, shm.ErrCorrupt)
	}
	return nil
}

func (s *Semaphore) usable(n int64) error {
	if n <= 0 || n > s.most || s.tracked != nil && n > s.tracked.total {
		return fmt.Errorf("%d permits: %w", n, ErrCount)
	}
	return s.seg.Writable()
}

// Release gives n permits back, 1 or more, and wakes those who can go on. It waits for nobody (see TryAcquire). It fails
// with ErrCount if there would be more than the largest int64, or than the options allow, and with
// shm.ErrClosed and shm.ErrCorrupt.
func (s *Semaphore) Release(n int64) error {
	if !(s.may() && n > 0 && s.kept(n)) && !s.give(n) {
		return s.releaseSlow(n)
	}
	if !s.state.event.Idle() {
		s.given()
	}
	runtime.KeepAlive(s) // the mapping goes with the last handle
	return nil
}

// give is the fast path through the count: it gives back unless there is anything to say about it, or somebody else is quicker.
func (s *Semaphore) give(n int64) bool {
	if race.Enabled {
		s.race.Release(0)
	}
	v := s.value.Load()
	free := freeIn(v)
	ok := n > 0 && free >= 0 && n <= s.most-free && s.value.CompareAndSwap(v, v+n) // pairs with Announce: CAS, then load of mark
	if bias.Enabled && ok {
		s.earn(v + n)
	}
	return ok
}

func (s *Semaphore) releaseSlow(n int64) error {
	if err := s.usable(n); err != nil {
		return s.wrap("release", err)
	}
	if s.tracked != nil {
		return s.wrap("release", s.tracked.release(n))
	}
	for !s.give(n) {
		free, err := s.free()
		if err != nil {
			return s.wrap("release", err)
		}
		if n > s.most-free {
			return s.wrap("release", s.seg.Sound(fmt.Errorf("%d permits beside %d: %w", n, free, ErrCount)))
		}
	}
	s.given()
	return nil
}

// given tells those who wait that there are more.
func (s *Semaphore) given() {
	// They may want different numbers, so whoever is woken alone might be unable to go on
	// while another one could: all are woken, which is one goroutine a process.
	s.point.Broadcast()
}

// Value is how many permits are free. It is out of date as soon as it returns. If another goroutine keeps the permits, it costs a fence
// on all CPUs.
func (s *Semaphore) Value() int64 {
	if s.tracked != nil {
		return s.tracked.free()
	}
	if s.ledger == nil {
		return 0 // an observer cannot tell
	}
	if n, ok := s.told(); ok {
		return n
	}
	n, _ := s.free()
	return max(n, 0)
}
