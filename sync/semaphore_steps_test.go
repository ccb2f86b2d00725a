package sync

import (
	"context"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// keptBy is a Semaphore of 3 permits, of which 1 is taken, by two attaches, and its keeper, if there are any.
func keptBy(t *testing.T) (ctx context.Context, a, b *Semaphore, k *keeper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	seg, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	a, err = NewSemaphore(seg, 3)
	require.NoError(t, err)
	f, err := seg.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := shm.FromFile(f)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	b, err = SemaphoreFrom(other, a.Ref())
	require.NoError(t, err)
	if !bias.Enabled || !bias.Inlined {
		return ctx, a, b, nil
	}
	for !futex.Registered() {
		runtime.Gosched()
	}
	for round := 1; a.Kept() == 0; round++ {
		if round%1000 == 0 {
			a.Forget()
		}
		require.NoError(t, a.Acquire(ctx, 1))
		require.NoError(t, a.Release(1))
	}
	require.NoError(t, a.Acquire(ctx, 1))
	require.NotZero(t, a.Keeper())
	for i := range a.keepers.keepers {
		if k := a.keepers.keepers[i].Load(); k != nil && a.Keeper()&^maxGrant == k.kept {
			return ctx, a, b, k
		}
	}
	require.Fail(t, "nobody keeps them")
	return ctx, a, b, nil
}

// Whoever is stopped, or dead, anywhere between two steps, holds up nobody: the others go on from there.
func TestAnyStepOfTheEndOfABiasIsTakenByWhoeverComes(t *testing.T) {
	taking := func(k *keeper) { k.permits.Add(^uint64(0)) } // stored, and not looked behind
	recall := func(k *keeper) { k.state.Store(k.permits.Load()&^inUse | recalled) }
	decide := func(k *keeper) { k.state.Store(k.permits.Load()) }
	for name, stop := range map[string]struct {
		steps []func(*keeper)
		left  int64
	}{
		"kept":                         {nil, 2},
		"taking":                       {[]func(*keeper){taking}, 1},
		"recalled":                     {[]func(*keeper){recall}, 2},
		"recalled, taking":             {[]func(*keeper){recall, taking}, 1},
		"taking, recalled":             {[]func(*keeper){taking, recall}, 1},
		"decided":                      {[]func(*keeper){recall, decide}, 2},
		"decided, taking":              {[]func(*keeper){recall, decide, taking}, 2},
		"taking, recalled and decided": {[]func(*keeper){taking, recall, decide}, 1},
	} {
		for act, do := range map[string]func(ctx context.Context, s *Semaphore, left int64){
			"value": func(_ context.Context, s *Semaphore, left int64) { require.Equal(t, left, s.Value()) },
			"acquire": func(ctx context.Context, s *Semaphore, left int64) {
				require.NoError(t, s.Acquire(ctx, left))
				require.NoError(t, s.Release(left))
			},
			"release": func(ctx context.Context, s *Semaphore, left int64) {
				require.NoError(t, s.Release(1))
				require.NoError(t, s.Acquire(ctx, left+1))
				require.NoError(t, s.Release(left))
			},
			"refused": func(_ context.Context, s *Semaphore, left int64) {
				got, err := s.TryAcquire(left + 1)
				require.NoError(t, err)
				require.False(t, got)
			},
		} {
			t.Run(name+"; "+act, func(t *testing.T) {
				ctx, a, b, k := keptBy(t)
				if k == nil {
					return
				}
				for _, step := range stop.steps {
					step(k)
				}
				require.NoError(t, Check(a.object))
				do(ctx, b, stop.left)
				require.Equal(t, stop.left, b.Value())
				require.Equal(t, stop.left, a.Value())
				require.NoError(t, a.Acquire(ctx, stop.left))
				require.Zero(t, b.Value())
			})
		}
	}
}

// What a dead process keeps is counted before its marks are another's.
func TestRowsOfKeepersAreSettled(t *testing.T) {
	_, a, b, k := keptBy(t)
	if k == nil {
		return
	}
	b.state.unkeep(b.ledger, b.ledger.rows()[a.ledger.index(a.ledger.mine.Load())-1])
	require.Zero(t, a.Keeper())
	require.EqualValues(t, 2, b.Value())
	require.NotZero(t, k.permits.Load(), "the numbers of its grants go on")
	require.Zero(t, k.state.Load())
}

// What a hostile peer writes is an error, or does no harm, and nobody looks at it without an end.
func TestAKeeperThatAHostilePeerMadeUp(t *testing.T) {
	ctx, a, b, k := keptBy(t)
	if k == nil {
		return
	}
	rows := uint64(len(a.ledger.rows()))
	good := a.state.value.Load()
	for _, v := range []int64{1, isKept, good + 1, good - 1, good ^ isKept, good + 1<<grantBits, math.MaxInt64, int64(isKept | rows*keeperMarks<<grantBits | 1)} {
		a.state.value.Store(v)
		for _, s := range []*Semaphore{a, b} {
			require.Zero(t, s.Value())
			require.ErrorIs(t, b.Acquire(ctx, 1), shm.ErrCorrupt)
			_, err := b.TryAcquire(1)
			require.ErrorIs(t, err, shm.ErrCorrupt)
			require.ErrorIs(t, b.Release(1), shm.ErrCorrupt)
		}
		require.ErrorIs(t, Check(a.object), shm.ErrCorrupt)
	}
	a.state.value.Store(good)
	mark, state := k.permits.Load(), k.state.Load()
	for _, w := range []*word.Uint64{k.permits, k.state} {
		for _, v := range []uint64{0, 1, mark&^inUse | recalled, mark + 1<<permitBits, math.MaxUint64} {
			if w == k.state && v == mark|recalled {
				continue // as if somebody had
			}
			k.state.Store(state)
			k.permits.Store(mark)
			w.Store(v)
			require.ErrorIs(t, b.Release(1), shm.ErrCorrupt)
			require.ErrorIs(t, b.Acquire(ctx, 1), shm.ErrCorrupt)
			require.Zero(t, b.Value())
			_, _ = a.TryAcquire(1)
			_ = a.Release(1)
			a.state.value.Store(good)
		}
	}
}
