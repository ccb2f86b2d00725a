package sync_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	gosync "sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/sync"
)

// kept has this goroutine take a permit and give it back until it keeps those of s, where there are keepers.
func kept(ctx context.Context, s *sync.Semaphore) error {
	if !bias.Enabled || !bias.Inlined {
		return nil
	}
	for !futex.Registered() {
		runtime.Gosched()
	}
	before := s.Kept()
	for round := 1; s.Kept() == before; round++ {
		if round%1000 == 0 {
			s.Forget()
			before = 0
		}
		if err := s.Acquire(ctx, 1); err != nil {
			return err
		}
		if err := s.Release(1); err != nil {
			return err
		}
	}
	return nil
}

func requireKeeper(t *testing.T, s *sync.Semaphore, want bool) {
	t.Helper()
	require.Equal(t, want && bias.Enabled && bias.Inlined, s.Keeper() != 0)
}

func TestAKeeperOfPermitsIsEarnedAndAnybodyEndsIt(t *testing.T) {
	a, b := semaphores(t, 3)
	ctx := bounded(t)
	for name, end := range map[string]func(){
		"acquire":        func() { require.NoError(t, b.Acquire(ctx, 3)) },
		"acquire in two": func() { require.NoError(t, b.Acquire(ctx, 1)); require.NoError(t, b.Acquire(ctx, 2)) },
		"try": func() {
			got, err := b.TryAcquire(4)
			require.NoError(t, err)
			require.False(t, got, "there are 3")
			got, err = b.TryAcquire(3)
			require.NoError(t, err)
			require.True(t, got)
		},
		"release": func() { require.NoError(t, b.Release(2)); require.NoError(t, b.Acquire(ctx, 5)) },
		"itself": func() {
			require.ErrorIs(t, a.Acquire(over(), 4), context.Canceled)
			require.NoError(t, a.Acquire(ctx, 3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, kept(ctx, a))
			requireKeeper(t, a, true)
			require.EqualValues(t, 3, a.Value())
			require.EqualValues(t, 3, b.Value())
			requireKeeper(t, a, true)
			end()
			requireKeeper(t, a, false)
			require.Zero(t, a.Value())
			require.NoError(t, a.Release(3))
			require.EqualValues(t, 3, b.Value())
		})
	}
}

func TestWhatAKeeperHasTakenIsNotThereForOthers(t *testing.T) {
	a, b := semaphores(t, 3)
	ctx := bounded(t)
	require.NoError(t, kept(ctx, a))
	require.NoError(t, a.Acquire(ctx, 2))
	require.EqualValues(t, 1, b.Value())
	got, err := b.TryAcquire(2)
	require.NoError(t, err)
	require.False(t, got)
	require.NoError(t, b.Release(4), "whoever releases need not have acquired")
	require.NoError(t, a.Release(2))
	require.EqualValues(t, 7, b.Value())
}

// A bounded one refuses what is too much, whoever keeps the permits.
func TestABoundedSemaphoreWithAKeeper(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewSemaphore(s, 3, sync.Bounded())
	require.NoError(t, err)
	b, err := sync.SemaphoreFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	ctx := bounded(t)
	for _, by := range []*sync.Semaphore{a, b} {
		require.NoError(t, kept(ctx, a))
		require.ErrorIs(t, by.Release(1), sync.ErrCount)
		require.EqualValues(t, 3, by.Value())
		require.NoError(t, kept(ctx, a))
		require.NoError(t, a.Acquire(ctx, 1))
		require.ErrorIs(t, by.Release(2), sync.ErrCount)
		require.NoError(t, by.Release(1))
		require.EqualValues(t, 3, by.Value())
	}
}

// More permits than a mark has room for are counted.
func TestPermitsThatNoKeeperHasRoomFor(t *testing.T) {
	const many = 1<<24 - 4
	a, b := semaphores(t, many)
	ctx := bounded(t)
	require.NoError(t, kept(ctx, a))
	require.NoError(t, a.Release(1))
	require.EqualValues(t, many+2-1, b.Value())
	for range 100 {
		require.NoError(t, a.Release(1))
		require.NoError(t, a.Acquire(ctx, 1))
	}
	requireKeeper(t, a, false)
	require.EqualValues(t, many+1, b.Value())
}

func TestAWaiterForPermitsIsWokenByAKeeper(t *testing.T) {
	a, b := semaphores(t, 1)
	ctx := bounded(t)
	for range 20 {
		require.NoError(t, kept(ctx, a))
		require.NoError(t, a.Acquire(ctx, 1))
		took := make(chan error, 1)
		go func() { took <- b.Acquire(ctx, 1) }()
		for b.Queued() == 0 {
			runtime.Gosched()
		}
		require.NoError(t, a.Release(1))
		require.NoError(t, <-took)
		require.NoError(t, b.Release(1))
	}
}

// Goroutines of two attaches, with each a time when it is alone: none ever sees more permits than there are.
func TestKeepersAndOthersNeverHaveMoreThanThereIs(t *testing.T) {
	a, b := semaphores(t, 1)
	ctx := bounded(t)
	var inside int // no atomic: who has the permit
	var users gosync.WaitGroup
	for i := range 4 {
		s := []*sync.Semaphore{a, b}[i%2]
		users.Go(func() {
			for range 40 {
				if err := s.Acquire(ctx, 1); err != nil {
					t.Error(err)
					return
				}
				if err := s.Release(1); err != nil {
					t.Error(err)
				}
				for range rand.IntN(100) {
					got, err := s.TryAcquire(1)
					if err != nil {
						t.Error(err)
					}
					if !got {
						continue
					}
					if inside++; inside != 1 {
						t.Errorf("%d have the permit", inside)
					}
					inside--
					if err := s.Release(1); err != nil {
						t.Error(err)
					}
				}
				runtime.Gosched()
			}
		})
	}
	users.Wait()
	require.EqualValues(t, 1, a.Value())
}

func TestABiasToPermitsThatOthersEndCostsMoreToEarn(t *testing.T) {
	a, b := semaphores(t, 1)
	ctx := bounded(t)
	require.NoError(t, kept(ctx, a))
	rounds := func() (served uint64) {
		before := a.Kept()
		for range 16 {
			require.NoError(t, b.Acquire(ctx, 1))
			require.NoError(t, b.Release(1))
			for range 8 {
				require.NoError(t, a.Acquire(ctx, 1))
				require.NoError(t, a.Release(1))
			}
		}
		return a.Kept() - before
	}
	rounds()
	require.LessOrEqual(t, rounds(), uint64(64), "of 256: each 64 in a row earn it for what is left of 16")
}

func TestACloseEndsAKeeper(t *testing.T) {
	s := anonymous(t)
	other := again(t, s)
	a, err := sync.NewSemaphore(other, 3)
	require.NoError(t, err)
	b, err := sync.SemaphoreFrom(s, a.Ref())
	require.NoError(t, err)
	ctx := bounded(t)
	require.NoError(t, kept(ctx, a))
	require.NoError(t, a.Acquire(ctx, 1))
	require.NoError(t, other.Close())
	require.Error(t, a.Acquire(ctx, 1))
	require.Error(t, a.Release(1))
	_, err = a.TryAcquire(1)
	require.Error(t, err)
	require.Zero(t, a.Value())
	require.EqualValues(t, 2, b.Value(), "what it had is gone")
	require.NoError(t, b.Acquire(ctx, 2))
	require.NoError(t, b.Release(3))
	require.EqualValues(t, 3, b.Value())
}

// teller keeps the permits of proceed, in which there is 1, and counts how often it had it.
var teller = actor("teller", func(ctx context.Context, s stage, p props) error {
	if err := kept(ctx, p.proceed); err != nil {
		return err
	}
	if err := p.ready.Release(1); err != nil {
		return err
	}
	for ctx.Err() == nil {
		for range 1000 {
			got, err := p.proceed.TryAcquire(1)
			if err != nil {
				return err
			}
			if !got {
				continue
			}
			p.counts[0]++
			if err := p.proceed.Release(1); err != nil {
				return err
			}
		}
	}
	return nil
})

// A keeper that is stopped, with the permit or without, holds nobody up who looks, gives, or wants what is there.
func TestAKeeperThatIsStoppedHoldsNobodyUp(t *testing.T) {
	ctx := bounded(t)
	s, p := newStage(t)
	require.NoError(t, p.proceed.Release(1))
	child, err := teller.Start(ctx, s, proc.Share(p.seg))
	require.NoError(t, err)
	defer func() { require.NoError(t, child.Close()) }()
	require.NoError(t, p.ready.Acquire(ctx, 1))
	for range 100 {
		require.NoError(t, proctest.Stop(child.Pid()))
		got, err := p.proceed.TryAcquire(1)
		require.NoError(t, err)
		if got {
			require.Zero(t, p.proceed.Value())
		}
		require.NoError(t, p.proceed.Release(1))
		require.NoError(t, p.proceed.Acquire(ctx, 1))
		if got {
			require.NoError(t, p.proceed.Release(1))
		}
		require.NoError(t, syscall.Kill(child.Pid(), syscall.SIGCONT))
		for n := p.proceed.Keeper(); n == p.proceed.Keeper() && ctx.Err() == nil && rand.IntN(50) != 0; {
			runtime.Gosched()
		}
	}
	kill(t, child)
	left := p.proceed.Value()
	require.LessOrEqual(t, left, int64(1))
	require.NoError(t, p.proceed.Release(1))
	require.NoError(t, p.proceed.Acquire(ctx, 1))
	require.Equal(t, left, p.proceed.Value())
}
