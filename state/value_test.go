package state_test

import (
	"context"
	"errors"
	"math"
	gosync "sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// values is one Value that holds v, through two participants.
func values[T any](t testing.TB, v T) (a, b *state.Value[T]) {
	t.Helper()
	s := anonymous(t)
	a, err := state.NewValue(s, v)
	require.NoError(t, err)
	b, err = state.ValueFrom[T](again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}

// trip does all that can be done to a Value of T, with three values that differ.
func trip[T comparable](t *testing.T, x, y, z T) {
	t.Helper()
	a, b := values(t, x)
	load := func(want T) {
		t.Helper()
		for _, v := range []*state.Value[T]{a, b} {
			got, err := v.Load()
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	load(x)
	require.NoError(t, b.Store(y))
	load(y)
	old, err := a.Swap(z)
	require.NoError(t, err)
	require.Equal(t, y, old)
	load(z)
	done, err := b.CompareAndSwap(y, x)
	require.NoError(t, err)
	require.False(t, done)
	load(z)
	done, err = b.CompareAndSwap(z, x)
	require.NoError(t, err)
	require.True(t, done)
	load(x)
	require.NoError(t, a.Update(bounded(t), func(v *T) error {
		require.Equal(t, x, *v)
		*v = y
		return nil
	}))
	load(y)
	mine := errors.New("mine")
	err = b.Update(bounded(t), func(v *T) error { *v = z; return mine })
	require.Equal(t, mine, err, "f's error, as it is")
	load(y)
	require.Panics(t, func() { _ = b.Update(bounded(t), func(v *T) error { *v = z; panic("f") }) })
	load(y)
	require.NoError(t, a.Update(over(), func(v *T) error { *v = z; return nil }), "who need not wait does not look at the context")
	load(z)
}

func TestAValueOfWhateverSize(t *testing.T) {
	trip(t, int64(-1), 2, 3)
	trip(t, 1, -2, 3)
	trip(t, uint32(1), 2, math.MaxUint32)
	trip(t, int16(-1), 2, 3)
	trip(t, byte(1), 2, 3)
	trip(t, 1.5, -2.25, math.Inf(1))
	trip(t, float32(1.5), -2.25, 0)
	trip(t, odd{1, 2, 3}, odd{4, 5, 6}, odd{})
	trip(t, mixed{1, 2, true}, mixed{1, 2, false}, mixed{})
	trip(t, [9]byte{1}, [9]byte{8: 1}, [9]byte{})
	trip(t, tripleOf(1, 2), tripleOf(3, 4), tripleOf(5, 6))
	trip(t, [1000]int16{1}, [1000]int16{999: 2}, [1000]int16{})
	trip(t, complex(1, 2), complex(3, 4), 0)
}

func TestAValueOfNoBytes(t *testing.T) {
	a, b := values(t, struct{}{})
	_, err := a.Load()
	require.NoError(t, err)
	require.NoError(t, b.Store(struct{}{}))
	done, err := b.CompareAndSwap(struct{}{}, struct{}{})
	require.NoError(t, err)
	require.True(t, done)
}

// sum adds, and wraps around as T does.
func sum[T state.Number](t *testing.T, x, delta, want T) {
	t.Helper()
	a, b := values(t, x)
	got, err := state.Add(a, delta)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = b.Load()
	require.NoError(t, err)
	require.Equal(t, want, got)

	s := anonymous(t)
	array, err := state.NewArray[T](s, 3)
	require.NoError(t, err)
	require.NoError(t, array.Store(1, x))
	got, err = state.AddAt(array, 1, delta)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for i, v := range array.All() {
		require.Equal(t, i == 1 && want != 0, v != 0)
	}
}

func TestAddWrapsAround(t *testing.T) {
	sum(t, int64(math.MaxInt64), 1, math.MinInt64)
	sum(t, 7, -8, -1)
	sum(t, uint64(0), math.MaxUint64, math.MaxUint64)
	sum(t, int32(math.MinInt32), -1, math.MaxInt32)
	sum(t, uint16(math.MaxUint16), 3, 2)
	sum(t, int8(127), 1, -128)
	sum(t, 0.5, 0.25, 0.75)
	sum(t, float32(1), -2, -1)
}

func TestAValueIsComparedBitByBit(t *testing.T) {
	a, _ := values(t, math.NaN())
	done, err := a.CompareAndSwap(math.NaN(), 0)
	require.NoError(t, err)
	require.True(t, done)
	done, err = a.CompareAndSwap(math.Copysign(0, -1), 1)
	require.NoError(t, err)
	require.False(t, done)
}

func TestAValueOfWhatIsNotPlainIsRefused(t *testing.T) {
	seg := anonymous(t)
	_, err := state.NewValue(seg, struct{ Name string }{})
	require.ErrorContains(t, err, "Name")
	_, err = state.OpenValue[[]int](seg, "x")
	require.Error(t, err)
	_, err = state.ValueFrom[*int](seg, shm.Ref{})
	require.Error(t, err)
	_, err = state.NewArray[map[int]int](seg, 1)
	require.Error(t, err)
	_, err = state.OpenArray[string](seg, "x")
	require.Error(t, err)
	_, err = state.ArrayFrom[error](seg, shm.Ref{})
	require.Error(t, err)
}

func TestAValueByItsName(t *testing.T) {
	seg := anonymous(t)
	_, err := state.OpenValue[int](seg, "n")
	require.ErrorIs(t, err, shm.ErrNotExist)
	a, err := state.OpenOrNewValue(seg, "n", 3)
	require.NoError(t, err)
	b, err := state.OpenOrNewValue(again(t, seg), "n", 4)
	require.NoError(t, err)
	require.Equal(t, a.Ref(), b.Ref())
	got, err := b.Load()
	require.NoError(t, err)
	require.Equal(t, 3, got)
	_, err = state.NewValue(seg, 5, shm.Named("n"))
	require.ErrorIs(t, err, shm.ErrExist)
	_, err = state.OpenValue[float64](seg, "n")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = state.OpenArray[int](seg, "n")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = state.OpenOrNewArray[int](seg, "n", 2)
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = state.ValueFrom[int](anonymous(t), a.Ref())
	require.ErrorIs(t, err, shm.ErrStale)
}

func TestAValueOfAClosedSegment(t *testing.T) {
	seg, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	word, err := state.NewValue(seg, 5)
	require.NoError(t, err)
	large, err := state.NewValue(seg, tripleOf(1, 2))
	require.NoError(t, err)
	require.NoError(t, seg.Close())
	closedValue(t, word, func() error { _, err := state.Add(word, 1); return err })
	closedValue(t, large, nil)
	_, err = state.NewValue(seg, 5)
	require.ErrorIs(t, err, shm.ErrClosed)
}

func closedValue[T any](t *testing.T, v *state.Value[T], more func() error) {
	t.Helper()
	var x T
	_, err := v.Load()
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, v.Store(x), shm.ErrClosed)
	_, err = v.Swap(x)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = v.CompareAndSwap(x, x)
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, v.Update(bounded(t), func(*T) error { t.Error("called"); return nil }), shm.ErrClosed)
	if more != nil {
		require.ErrorIs(t, more(), shm.ErrClosed)
	}
}

func TestAnObserverReadsAValueAndCannotWrite(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	seg, err := shm.Create("watched", 1<<16, dir)
	require.NoError(t, err)
	defer seg.Close()
	_, err = state.NewValue(seg, 5, shm.Named("word"))
	require.NoError(t, err)
	_, err = state.NewValue(seg, tripleOf(1, 2), shm.Named("large"))
	require.NoError(t, err)
	a, err := state.NewArray[int](seg, 3, shm.Named("array"))
	require.NoError(t, err)
	require.NoError(t, a.Fill(4))
	watch, err := shm.Open("watched", dir, shm.Observe())
	require.NoError(t, err)
	defer watch.Close()

	word, err := state.OpenValue[int](watch, "word")
	require.NoError(t, err)
	got, err := word.Load()
	require.NoError(t, err)
	require.Equal(t, 5, got)
	require.ErrorIs(t, word.Store(1), shm.ErrReadOnly)
	_, err = state.Add(word, 1)
	require.ErrorIs(t, err, shm.ErrReadOnly)
	large, err := state.OpenValue[triple](watch, "large")
	require.NoError(t, err)
	whole, err := large.Load()
	require.NoError(t, err)
	require.Equal(t, tripleOf(1, 2), whole)
	require.ErrorIs(t, large.Store(whole), shm.ErrReadOnly)
	require.ErrorIs(t, large.Update(bounded(t), func(*triple) error { return nil }), shm.ErrReadOnly)
	array, err := state.OpenArray[int](watch, "array")
	require.NoError(t, err)
	got, err = array.Load(2)
	require.NoError(t, err)
	require.Equal(t, 4, got)
	require.ErrorIs(t, array.Store(2, 1), shm.ErrReadOnly)
	_, err = array.Swap(2, 1)
	require.ErrorIs(t, err, shm.ErrReadOnly)
}

func TestNoUpdateOfAWordIsLostBesideThoseWhoTakeNoLock(t *testing.T) {
	a, b := values(t, uint32(0))
	const rounds = 500
	var wg gosync.WaitGroup
	for i := range 6 {
		v, ctx := []*state.Value[uint32]{a, b}[i%2], bounded(t)
		wg.Go(func() {
			for range rounds {
				var err error
				if i < 3 {
					_, err = state.Add(v, 1)
				} else {
					err = v.Update(ctx, func(n *uint32) error { *n++; return nil })
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := a.Load()
	require.NoError(t, err)
	require.EqualValues(t, 6*rounds, got)
}

func TestWhoWaitsForAnUpdateGoesByItsContext(t *testing.T) {
	a, b := values(t, tripleOf(1, 2))
	began, end := make(chan bool), make(chan bool)
	done := make(chan error)
	go func() {
		done <- a.Update(bounded(t), func(x *triple) error { close(began); <-end; *x = tripleOf(3, 4); return nil })
	}()
	<-began
	require.ErrorIs(t, b.Update(over(), func(*triple) error { return nil }), context.Canceled)
	got, err := b.Load()
	require.NoError(t, err, "a load waits for nobody")
	require.Equal(t, tripleOf(1, 2), got)
	close(end)
	require.NoError(t, <-done)
	got, err = b.Load()
	require.NoError(t, err)
	require.Equal(t, tripleOf(3, 4), got)
}

func TestTheFastPathsOfAValueDoNotAllocate(t *testing.T) {
	word, _ := values(t, 1)
	large, _ := values(t, tripleOf(1, 2))
	array, err := state.NewArray[float64](anonymous(t), 10)
	require.NoError(t, err)
	ctx := context.Background()
	step := func(x *triple) error { *x = tripleOf(x.A+1, x.B); return nil }
	grow := func(x *float64) error { *x++; return nil }
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = word.Load()
		_ = word.Store(4)
		_, _ = word.Swap(5)
		_, _ = word.CompareAndSwap(5, 6)
		_, _ = state.Add(word, 1)
		_, _ = array.Load(3)
		_ = array.Store(3, 1)
		_, _ = state.AddAt(array, 3, 1)
	}))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = large.Load()
		_ = large.Store(tripleOf(3, 4))
		_ = large.Update(ctx, step)
		_ = array.Update(ctx, 3, grow)
	}))
}
