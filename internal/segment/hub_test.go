package segment

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
)

// crowd is n waits, and what came of them.
type crowd struct {
	n       int
	ctx     context.Context
	cancel  context.CancelFunc
	results chan error
}

// many is how many goroutines wait at a time: as many as a program may have, or the race detector allows.
func many() int {
	if race.Enabled {
		return 2000
	}
	return 10_000
}

func gather(t *testing.T, n int, wait func(ctx context.Context, i int) error) *crowd {
	ctx, cancel := context.WithCancel(bounded(t))
	c := &crowd{n: n, ctx: ctx, cancel: cancel, results: make(chan error, n)}
	for i := range n {
		go func() { c.results <- wait(ctx, i) }()
	}
	t.Cleanup(cancel)
	return c
}

// all requires that all waits come to that end, and says how long it took.
func (c *crowd) all(t *testing.T, want error) time.Duration {
	t.Helper()
	began := time.Now()
	for range c.n {
		require.ErrorIs(t, <-c.results, want)
	}
	return time.Since(began)
}

// fields is room for n events on lines of their own.
func fields(t *testing.T, n int) (*Segment, []uint64) {
	s := anonymous(t, int64(n+1)*2*Line+1<<20, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: uint64(n) * Line, Align: Line})
	require.NoError(t, err)
	offs := make([]uint64, n)
	for i := range offs {
		offs[i] = o.Offset() + uint64(i)*Line
	}
	return s, offs
}

// until waits for a state of this process.
func until(t *testing.T, state func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !state(); {
		require.True(t, time.Now().Before(deadline), "it does not come to that")
		runtime.Gosched()
	}
}

func (s *Segment) foldedWaits() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.n
}

func (s *Segment) hubRuns() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.done != nil
}

func TestAWaitThatIsFoldedIsWokenByASignal(t *testing.T) {
	unguarded(t)
	for _, manner := range []Manner{Exclusive, Shared} {
		s, p := point(t, manner)
		other := again(t, s, Config{})
		s.Fold()
		other.Fold()
		q := other.Point(p.off, manner)
		var tokens atomic.Int64
		take := func() bool {
			for n := tokens.Load(); n > 0; n = tokens.Load() { // somebody else may be quicker, and leave some
				if tokens.CompareAndSwap(n, n-1) {
					return true
				}
			}
			return false
		}
		const rounds = 2000
		var wg sync.WaitGroup
		for _, p := range []*Point{p, q} {
			for range 2 {
				wg.Go(func() {
					for range rounds {
						require.NoError(t, p.Wait(bounded(t), Wait{Try: take}))
					}
				})
			}
		}
		for range 4 * rounds {
			tokens.Add(1)
			q.Signal()
			if manner == Shared {
				q.Broadcast()
			}
		}
		wg.Wait()
		require.NoError(t, s.Close())
		require.False(t, s.hubRuns())
	}
}

func TestAFoldedAndADirectWaiterShareSignals(t *testing.T) {
	unguarded(t)
	s, p := point(t, Exclusive)
	var tokens atomic.Int64
	take := func() bool {
		for n := tokens.Load(); n > 0; n = tokens.Load() { // somebody else may be quicker, and leave some
			if tokens.CompareAndSwap(n, n-1) {
				return true
			}
		}
		return false
	}
	direct := again(t, s, Config{}).Point(p.off, Exclusive)
	direct.SetPolicy(futex.Park)
	s.Fold()
	const rounds = 2000
	var wg sync.WaitGroup
	for _, p := range []*Point{p, direct} {
		wg.Go(func() {
			for range rounds {
				require.NoError(t, p.Wait(bounded(t), Wait{Try: take}))
			}
		})
	}
	for range 2 * rounds {
		tokens.Add(1)
		direct.Signal()
	}
	wg.Wait()
}

func TestTheHubEndsWithTheLastWaitThatIsFolded(t *testing.T) {
	s, p := point(t, Shared)
	s.Fold()
	for range 3 {
		c := gather(t, 1, func(ctx context.Context, _ int) error {
			return p.Wait(ctx, Wait{Try: func() bool { return false }})
		})
		until(t, func() bool { return s.foldedWaits() == 1 && s.hubRuns() })
		c.cancel()
		c.all(t, context.Canceled)
		until(t, func() bool { return !s.hubRuns() })
	}
}

func TestADirectWaitIsFoldedWhenNothingHappens(t *testing.T) {
	s, offs := fields(t, directWaits+1)
	var open atomic.Bool
	c := gather(t, len(offs), func(ctx context.Context, i int) error {
		return s.Point(offs[i], Shared).Wait(ctx, Wait{Try: open.Load})
	})
	until(t, func() bool { return s.foldedWaits() == len(offs) })
	open.Store(true)
	for _, off := range offs {
		s.Point(off, Shared).Broadcast()
	}
	c.all(t, nil)
}

// A ring has the waits of one bit looked at, so many objects of one size must not share a few.
func TestEventsAtAnyDistanceFromEachOtherHaveManyBits(t *testing.T) {
	const events, share = 1 << 10, 1 << 10 / buckets
	for distance := uint64(bucketSpan); distance <= 16<<20; distance += bucketSpan {
		var of [buckets]int
		for i := range uint64(events) {
			of[bucketOf(2*pageAlign+i*distance)]++
		}
		require.LessOrEqual(t, slices.Max(of[:]), 8*share, "%d KiB apart", distance>>10)
	}
}

// Whoever makes a condition true and is stopped, or dies unheard, before he says so.
func TestTheNetLooksForThoseWhoAreFolded(t *testing.T) {
	s, p := point(t, Exclusive)
	s.Fold()
	var open atomic.Bool
	looks := atomic.Int64{}
	c := gather(t, 1, func(ctx context.Context, _ int) error {
		return p.Wait(ctx, Wait{Try: func() bool { looks.Add(1); return open.Load() }})
	})
	until(t, func() bool { return s.foldedWaits() == 1 })
	open.Store(true)
	c.all(t, nil)

	open.Store(false)
	c = gather(t, 1, func(ctx context.Context, _ int) error {
		return p.Wait(ctx, Wait{Try: open.Load})
	})
	until(t, func() bool { return s.foldedWaits() == 1 })
	open.Store(true)
	p.event.Signal() // rings no doorbell
	c.all(t, nil)
}

// untilQuiet waits until the hub sleeps, and a timer looks: as in a process that has been idle for long.
func untilQuiet(t *testing.T, s *Segment) {
	t.Helper()
	until(t, func() bool {
		time.Sleep(time.Millisecond)
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		return s.hub.timer != nil
	})
}

func TestATimerLooksForThoseWhoAreFoldedWhenAllIsQuiet(t *testing.T) {
	s, offs := fields(t, 2)
	s.Fold()
	var open, other atomic.Bool
	wait := func(i int, open *atomic.Bool) *crowd {
		return gather(t, 1, func(ctx context.Context, _ int) error {
			return s.Point(offs[i], Shared).Wait(ctx, Wait{Try: open.Load})
		})
	}
	first := wait(0, &open)
	untilQuiet(t, s)

	second := wait(1, &other) // is new, so the hub looks for it, and soon
	until(t, func() bool { return s.foldedWaits() == 2 })
	other.Store(true)
	second.all(t, nil)

	untilQuiet(t, s)
	open.Store(true) // and nobody signals
	first.all(t, nil)
	until(t, func() bool { return !s.hubRuns() })
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	require.Nil(t, s.hub.timer)
}

func TestCloseWakesThoseWhoAreFoldedWhenAllIsQuiet(t *testing.T) {
	s, offs := fields(t, 1)
	s.Fold()
	c := gather(t, 1, func(ctx context.Context, i int) error {
		return s.Point(offs[i], Shared).Wait(ctx, Wait{Try: func() bool { return false }})
	})
	untilQuiet(t, s)
	require.NoError(t, s.Close())
	c.all(t, ErrClosed)
	require.False(t, s.hubRuns())
	require.Nil(t, s.hub.timer)
}

func TestCloseWakesThoseWhoAreFolded(t *testing.T) {
	s, offs := fields(t, 100)
	c := gather(t, len(offs), func(ctx context.Context, i int) error {
		return s.Point(offs[i], Shared).Wait(ctx, Wait{Try: func() bool { return s.IsClosed() && false }})
	})
	until(t, func() bool { return s.foldedWaits() >= len(offs)-directWaits })
	require.NoError(t, s.Close())
	c.all(t, ErrClosed)
	require.False(t, s.hubRuns())
}

func TestManyWaitsAreCancelledAtOnce(t *testing.T) {
	for name, one := range map[string]bool{"one lock": true, "many locks": false} {
		t.Run(name, func(t *testing.T) {
			n := many()
			s, offs := fields(t, n)
			other := again(t, s, Config{})
			locks := make([]Lock, n)
			for i := range locks {
				if one {
					offs[i] = offs[0]
				}
				held := other.LockAt(offs[i])
				if !held.TryLock() {
					require.True(t, one)
				}
				locks[i] = s.LockAt(offs[i])
			}
			before := threads()
			c := gather(t, n, func(ctx context.Context, i int) error { return locks[i].LockSlow(ctx) })
			until(t, func() bool {
				if one {
					return locks[0].point.Queued() == n
				}
				return s.foldedWaits() >= n-directWaits
			})
			if after := threads(); before > 0 {
				t.Logf("%d threads more", after-before)
				require.LessOrEqual(t, after, before+8)
			}
			for looks := 20; ; looks-- { // the first sleep of each ends after a millisecond, so they come to rest only then
				used, began := cpuTime(), time.Now()
				time.Sleep(idleFor)
				used, took := cpuTime()-used, time.Since(began)
				t.Logf("%v of CPU in %v", used, took)
				if used < took/2 {
					break
				}
				require.NotZero(t, looks, "idle waits")
			}

			c.cancel()
			t.Logf("cancelled in %v", c.all(t, context.Canceled))

			c = gather(t, n, func(ctx context.Context, i int) error {
				err := locks[i].LockSlow(ctx)
				if one && (err == nil || errors.Is(err, ErrOwnerDied)) {
					_ = locks[i].MarkConsistent()
					_ = locks[i].Unlock()
					err = ErrOwnerDied
				}
				return err
			})
			until(t, func() bool {
				if one {
					return locks[0].point.Queued() == n
				}
				return s.foldedWaits() >= n-directWaits
			})
			began := time.Now()
			require.NoError(t, other.Close())
			c.all(t, ErrOwnerDied)
			t.Logf("after the holder's end in %v", time.Since(began))
		})
	}
}

const idleFor = 500 * time.Millisecond

// glancer is a context by which the net looks itself.
type glancer struct {
	context.Context
	glance func() bool
}

func (g glancer) Glance() func() bool { return g.glance }

func TestTheNetLooksInThePlaceOfThoseWhoSaySo(t *testing.T) {
	s, p := point(t, Shared)
	s.Fold()
	var open atomic.Bool
	var looks, glances atomic.Int64
	c := gather(t, 1, func(ctx context.Context, _ int) error {
		ctx = glancer{ctx, func() bool { glances.Add(1); return open.Load() }}
		return p.Wait(ctx, Wait{Try: func() bool { looks.Add(1); return open.Load() }, OneOfMany: true})
	})
	until(t, func() bool { return glances.Load() > 0 }) // so it is folded
	before := looks.Load()
	began := glances.Load()
	until(t, func() bool { return glances.Load() >= began+2 })
	require.Equal(t, before, looks.Load())
	open.Store(true) // and nobody signals
	c.all(t, nil)
}

// Another object lies where that was at which these wait, and has a wait point of its own.
func TestCloseWakesThoseWhoWaitAtWhatIsDestroyed(t *testing.T) {
	for name, folded := range map[string]bool{"in the kernel": false, "folded": true} {
		t.Run(name, func(t *testing.T) {
			s := anonymous(t, 1<<16, Config{})
			if folded {
				s.Fold()
			}
			another := func() Object {
				o, err := s.New(Spec{Kind: KindRaw, Size: 16})
				require.NoError(t, err)
				require.NoError(t, o.Settle())
				return o
			}
			o := another()
			p := s.Point(o.Offset(), Shared)
			p.SetPolicy(futex.Park)
			c := gather(t, 1, func(ctx context.Context, _ int) error {
				return p.Wait(ctx, Wait{Try: func() bool { return false }})
			})
			until(t, func() bool { return s.foldedWaits()+s.seated() == 1 })
			require.NoError(t, s.Destroy(o.Ref()))
			other := another()
			require.Equal(t, o.Offset(), other.Offset())
			require.NotSame(t, p, s.Point(other.Offset(), Shared))
			require.NoError(t, s.Close())
			c.all(t, ErrClosed)
		})
	}
}

// Somebody else sweeps a dead holder of whose death nobody tells this process, and tells nobody either.
func TestAFoldedWaitHearsOfADeathThatSomebodyElseSwept(t *testing.T) {
	s, offs := fields(t, 1)
	third := again(t, s, Config{})
	s.Fold()
	m := mortal(t, s)
	o := m.Self()
	s.slot(o.slot()).namespace++
	held := m.LockAt(offs[0])
	require.True(t, held.TryLock())
	c := gather(t, 1, func(ctx context.Context, _ int) error {
		l := s.LockAt(offs[0])
		return l.LockSlow(ctx)
	})
	until(t, func() bool { // it sleeps without an end of its own
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		b := s.hub.buckets[bucketOf(offs[0])]
		return len(b) == 1 && b[0].until.IsZero()
	})
	die(t, m)
	require.True(t, third.Gone(o))
	c.all(t, ErrOwnerDied)
}
