package ring_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
)

// Batches and runs of all sizes, through rings that they fill and cross the end of.
func TestRunsOfSlotsKeepTheOrder(t *testing.T) {
	for name, policy := range policies {
		for _, capacity := range []int{1, 2, 7, 64} {
			t.Run(fmt.Sprint(name, " ", capacity), func(t *testing.T) {
				ctx := bounded(t)
				w, in := pipe[[2]uint64](t, capacity, ring.Waiting(policy))
				const n = 3000
				done := make(chan error, 1)
				go func() {
					for i := uint64(0); i < n; {
						run, err := w.Reserve(ctx, int(i)%capacity+1)
						if err != nil {
							done <- err
							return
						}
						m := 0 // what is left of the run is given up
						for ; m <= run.Len()/2 && i < n; m++ {
							*run.At(m) = [2]uint64{i, ^i}
							i++
						}
						w.Commit(m)
					}
					done <- w.Close()
				}()
				next := uint64(0)
				for k := 0; ; k++ {
					run, err := in.Peek(ctx, k%capacity+1)
					if err != nil {
						require.ErrorIs(t, err, ring.ErrClosed)
						break
					}
					require.Positive(t, run.Len())
					require.LessOrEqual(t, run.Len(), k%capacity+1)
					m := run.Len() - k%2*(run.Len()/2) // and what is not released is shown again
					for i := range m {
						require.Equal(t, [2]uint64{next, ^next}, *run.At(i))
						next++
					}
					in.Release(m)
				}
				require.EqualValues(t, n, next)
				require.NoError(t, <-done)
			})
		}
	}
}

func TestWhatIsReservedInARingOfValuesIsSeenWhenItIsCommittedAndNotBefore(t *testing.T) {
	w, in := pipe[int](t, 4)
	run, err := w.Reserve(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, 3, run.Len())
	for i := range 3 {
		*run.At(i) = i + 1
	}
	require.Panics(t, func() { run.At(3) })
	require.Panics(t, func() { run.At(-1) })
	seen, err := in.TryPeek(4)
	require.NoError(t, err)
	require.Zero(t, seen.Len())
	w.Commit(2)
	require.Panics(t, func() { w.Commit(1) }, "committed already")
	for range 2 {
		seen, err = in.TryPeek(4)
		require.NoError(t, err)
		require.Equal(t, 2, seen.Len(), "Peek does not take")
		require.Equal(t, 2, *seen.At(1))
	}
	require.Panics(t, func() { in.Release(3) })
	in.Release(1)
	require.Panics(t, func() { in.Release(1) }, "released already")
	v, err := in.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, v)
	require.True(t, in.Empty())
}

func TestWhatIsReservedOrShownIsTakenBackByTheNextCall(t *testing.T) {
	w, in := pipe[int](t, 4)
	run, err := w.Reserve(t.Context(), 4)
	require.NoError(t, err)
	*run.At(0) = 7
	require.NoError(t, w.Push(t.Context(), 1))
	require.Panics(t, func() { w.Commit(1) })
	_, err = w.Reserve(t.Context(), 2)
	require.NoError(t, err)
	_, err = w.Reserve(over(), 4)
	require.ErrorIs(t, err, context.Canceled)
	require.Panics(t, func() { w.Commit(1) }, "a Reserve that fails takes back, too")
	run, err = w.TryReserve(4)
	require.NoError(t, err)
	require.Zero(t, run.Len())

	require.NoError(t, w.Push(t.Context(), 2))
	seen, err := in.Peek(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 2, seen.Len())
	_, err = in.Pop(t.Context())
	require.NoError(t, err)
	require.Panics(t, func() { in.Release(1) })
	v, err := in.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, v)
}

func TestRunsThatCannotBeAreRefused(t *testing.T) {
	w, in := pipe[int](t, 4)
	for _, n := range []int{0, -1, 5, int(^uint(0) >> 1)} {
		_, err := w.Reserve(t.Context(), n)
		require.ErrorIs(t, err, ring.ErrTooLarge)
		require.ErrorContains(t, err, fmt.Sprintf("%d slots, 1 to 4 are possible", n))
		_, err = w.TryReserve(n)
		require.ErrorIs(t, err, ring.ErrTooLarge)
		_, err = in.Peek(t.Context(), n)
		require.ErrorIs(t, err, ring.ErrTooLarge)
		_, err = in.TryPeek(n)
		require.ErrorIs(t, err, ring.ErrTooLarge)
	}
	_, err := in.Peek(over(), 1)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.Close())
	_, err = w.Reserve(t.Context(), 1)
	require.ErrorIs(t, err, ring.ErrClosed)
	_, err = in.TryPeek(1)
	require.ErrorIs(t, err, ring.ErrClosed)
	_, err = in.Peek(t.Context(), 1)
	require.ErrorIs(t, err, ring.ErrClosed)
}

func TestFullAndEmptyAreTheSameAtBothEnds(t *testing.T) {
	a, b := twins(t)
	for _, capacity := range []int{1, 2, 5} {
		r, err := ring.NewSPSC[uint16](a, capacity)
		require.NoError(t, err)
		w, err := r.Writer()
		require.NoError(t, err)
		there, err := ring.SPSCFrom[uint16](b, r.Ref())
		require.NoError(t, err)
		in, err := there.Reader()
		require.NoError(t, err)
		check := func(n int) {
			t.Helper()
			for _, of := range []interface {
				Len() int
				Cap() int
				Full() bool
				Empty() bool
			}{r, there, w, in} {
				require.Equal(t, n, of.Len())
				require.Equal(t, capacity, of.Cap())
				require.Equal(t, n == 0, of.Empty())
				require.Equal(t, n == capacity, of.Full())
			}
		}
		for range 3 {
			for i := range capacity {
				check(i)
				require.NoError(t, w.Push(t.Context(), 1))
			}
			for i := range capacity {
				check(capacity - i)
				_, err := in.Pop(t.Context())
				require.NoError(t, err)
			}
			check(0)
		}
	}
}

func TestBatchesAndRunsDoNotAllocate(t *testing.T) {
	ctx := t.Context()
	w, in := pipe[uint64](t, 100)
	var vs [64]uint64
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if n, err := w.PushN(ctx, vs[:]); n != 64 || err != nil {
			t.Fail()
		}
		for got := 0; got < 64; {
			n, err := in.PopN(ctx, vs[got:])
			if err != nil {
				t.FailNow()
			}
			got += n
		}
		run, err := w.Reserve(ctx, 64)
		if err != nil {
			t.Fail()
		}
		for i := range run.Len() {
			*run.At(i) = 1
		}
		w.Commit(64)
		if run, err = in.Peek(ctx, 64); err != nil || run.Len() != 64 {
			t.Fail()
		}
		in.Release(64)
	}))
}

// Lines of what is reserved are written to before it is: with what stands there.
func TestWhatIsReservedAndNotCommittedLeavesTheSlotsAsTheyWere(t *testing.T) {
	const capacity = 512
	w, in := pipe[int](t, capacity)
	next, want := 0, 0
	push := func(n int) {
		for range n {
			require.NoError(t, w.Push(t.Context(), next))
			next++
		}
	}
	pop := func(n int) {
		for range n {
			v, ok, err := in.TryPop()
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, want, v)
			want++
		}
	}
	push(capacity)
	pop(capacity / 2)
	push(1) // the reader trails
	for range 3 {
		run, err := w.Reserve(t.Context(), 64)
		require.NoError(t, err)
		for i := range 4 { // one of each line is written to
			*run.At(i) = next
			next++
		}
		w.Commit(4)
	}
	require.Equal(t, next-want, in.Len())
	pop(next - want)
	_, ok, err := in.TryPop()
	require.NoError(t, err)
	require.False(t, ok)
}

// What is reserved, or shown, is dropped by Close.
func TestARunEndsWithItsEnd(t *testing.T) {
	w, in := pipe[int](t, 4)
	require.NoError(t, w.Push(t.Context(), 1))
	_, err := w.Reserve(t.Context(), 2)
	require.NoError(t, err)
	_, err = in.Peek(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Panics(t, func() { w.Commit(1) })
	require.NoError(t, in.Close())
	require.Panics(t, func() { in.Release(1) })
}
