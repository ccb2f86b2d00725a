package pool_test

import (
	"context"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

var oddFails = pool.Task("odd fails", func(_ context.Context, n int) (int, error) {
	if n%2 == 1 {
		panic(n)
	}
	return n, nil
})

func TestMapYieldsTheResultsInTheOrderOfTheInputs(t *testing.T) {
	p := newPool(t, 2)
	next, taken := 0, 0
	for got, err := range double.Map(testContext(t), p, numbers(1000, &taken)) {
		require.NoError(t, err)
		require.Equal(t, 2*next, got)
		next++
	}
	require.Equal(t, 1000, next)
	require.Equal(t, 1000, taken)
}

func TestMapYieldsAnErrorInThePlaceOfItsItem(t *testing.T) {
	p := newPool(t, 2)
	next, taken := 0, 0
	for got, err := range oddFails.Map(testContext(t), p, numbers(50, &taken)) {
		if next%2 == 0 {
			require.NoError(t, err)
			require.Equal(t, next, got)
		} else {
			var panicked *pool.PanicError
			require.ErrorAs(t, err, &panicked)
		}
		next++
	}
	require.Equal(t, 50, next)
}

func TestMapOfNothingYieldsNothing(t *testing.T) {
	p := newPool(t, 1)
	taken := 0
	for range double.Map(testContext(t), p, numbers(0, &taken)) {
		require.Fail(t, "a result")
	}
}

func TestMapTakesABoundedNumberOfInputsAhead(t *testing.T) {
	const workers, ahead = 2, 4 * 2 * 8192 // as the doc has it: 32,768 for each
	p := newPool(t, workers)
	before := pids(p)
	yielded, taken := 0, 0
	for _, err := range double.Map(testContext(t), p, numbers(math.MaxInt, &taken)) {
		require.NoError(t, err)
		yielded++
		require.LessOrEqual(t, taken-yielded, ahead)
		if yielded == 100 {
			break
		}
	}
	require.LessOrEqual(t, taken, 100+ahead)
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestMapThatIsLeftGivesItsTasksUp(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	inputs := slices.Values([]string{"first", "", "", ""})
	for range holdUnless.Map(testContext(t), p, inputs) {
		running(t, p, "hold unless")
		break
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

var holdUnless = pool.Task("hold unless", func(ctx context.Context, text string) (int, error) {
	if text != "" {
		return 0, nil
	}
	<-ctx.Done()
	return 0, ctx.Err()
})

func TestMapEndsWithItsContextAndSaysSo(t *testing.T) {
	p := newPool(t, 2)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	next, bad, taken := 0, 0, 0
	for got, err := range double.Map(ctx, p, numbers(math.MaxInt, &taken)) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			bad++
		} else {
			require.Equal(t, 2*next, got)
		}
		if next++; next == 50 {
			require.Zero(t, bad)
			cancel()
		}
	}
	require.Positive(t, bad)
	require.Equal(t, taken, next)
	requireWorks(t, p)
}

// Nothing would look like the end of the inputs.
func TestMapWithAContextThatIsOverYieldsItsError(t *testing.T) {
	p := newPool(t, 2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	yielded, taken := 0, 0
	for _, err := range double.Map(ctx, p, numbers(100, &taken)) {
		require.ErrorIs(t, err, context.Canceled)
		yielded++
	}
	require.Equal(t, 1, yielded)
	require.Equal(t, 1, taken)
}

func TestMapsMayRunAtTheSameTimeAndWithinEachOther(t *testing.T) {
	p := newPool(t, 2)
	ctx := testContext(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			outer, taken := 0, 0
			for a, err := range double.Map(ctx, p, numbers(10, &taken)) {
				if err != nil || a != 2*outer {
					t.Error(a, err)
				}
				outer++
				inner, taken := 0, 0
				for b, err := range double.Map(ctx, p, numbers(10, &taken)) {
					if err != nil || b != 2*inner {
						t.Error(b, err)
					}
					inner++
				}
				if inner != 10 {
					t.Error(inner, "inner results")
				}
			}
			if outer != 10 {
				t.Error(outer, "outer results")
			}
		})
	}
	wg.Wait()
}

func TestPanicOfTheInputsReachesTheCaller(t *testing.T) {
	p := newPool(t, 2)
	before := pids(p)
	for _, at := range []int{0, 3, 50} {
		next := 0
		require.PanicsWithValue(t, "no more", func() {
			for got, err := range double.Map(testContext(t), p, func(yield func(int) bool) {
				for i := range at {
					if !yield(i) {
						return
					}
				}
				panic("no more")
			}) {
				require.NoError(t, err)
				require.Equal(t, 2*next, got)
				next++
			}
		})
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestMapOnAClosedPoolYieldsErrClosed(t *testing.T) {
	p := newPool(t, 1)
	shutDown(t, p)
	yielded, taken := 0, 0
	for _, err := range double.Map(testContext(t), p, numbers(3, &taken)) {
		require.ErrorIs(t, err, pool.ErrClosed)
		yielded++
	}
	require.Equal(t, 3, yielded)
}

func TestMapUnorderedYieldsEachResultOnce(t *testing.T) {
	p := newPool(t, 2)
	seen := make(map[int]bool)
	taken := 0
	for got, err := range double.MapUnordered(testContext(t), p, numbers(1000, &taken)) {
		require.NoError(t, err)
		require.False(t, seen[got])
		seen[got] = true
	}
	for n := range 1000 {
		require.True(t, seen[2*n])
	}
	require.Len(t, seen, 1000)
}

func TestMapUnorderedYieldsWhatIsDoneWhileAnotherOneIsNot(t *testing.T) {
	p := newPool(t, 2)
	path, open := newGate(t)
	inputs := slices.Values([]string{path, "", "", ""})
	n := 0
	for _, err := range gateOrNot.MapUnordered(testContext(t), p, inputs) {
		require.NoError(t, err)
		if n++; n == 3 {
			open()
		}
	}
	require.Equal(t, 4, n)
}

var gateOrNot = pool.Task("gate or not", func(_ context.Context, path string) (int, error) {
	if path == "" {
		return 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	return 1, f.Close()
})

func TestMapUnorderedTakesABoundedNumberOfInputsAheadAndMayBeLeft(t *testing.T) {
	const workers, ahead = 2, 4 * 2 * 8192 // as the doc has it: 32,768 for each
	p := newPool(t, workers)
	before := pids(p)
	yielded, taken := 0, 0
	for _, err := range double.MapUnordered(testContext(t), p, numbers(math.MaxInt, &taken)) {
		require.NoError(t, err)
		yielded++
		require.LessOrEqual(t, taken-yielded, ahead)
		if yielded == 100 {
			break
		}
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestMapUnorderedYieldsAnErrorForEachInputThatHasOne(t *testing.T) {
	p := newPool(t, 2)
	good, bad, taken := 0, 0, 0
	for _, err := range oddFails.MapUnordered(testContext(t), p, numbers(50, &taken)) {
		if err == nil {
			good++
		} else {
			bad++
		}
	}
	require.Equal(t, 25, good)
	require.Equal(t, 25, bad)
}

func TestMapUnorderedEndsWithItsContextAndSaysSo(t *testing.T) {
	p := newPool(t, 2)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	yielded, bad, taken := 0, 0, 0
	for _, err := range double.MapUnordered(ctx, p, numbers(math.MaxInt, &taken)) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			bad++
		}
		if yielded++; yielded == 50 {
			cancel()
		}
	}
	require.Positive(t, bad)
	require.Equal(t, taken, yielded)
	requireWorks(t, p)
}
