package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAHistogramIsRightToItsPromise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	all := make([]time.Duration, 20_000)
	for i := range all {
		all[i] = time.Duration(math.Exp(20 * random.Float64())) // 1 ns to half a second
		h.add(all[i])
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := float64(quantile(all, q))
		require.InDelta(t, want, float64(h.quantile(q)), 0.016*want, "%v", q)
	}
	require.Equal(t, all[len(all)-1], h.most)
}

func TestEveryDurationHasABucket(t *testing.T) {
	last := 0
	for _, d := range []time.Duration{-1, 0, 1, 63, 64, 65, 127, 128, 129, 255, 256, time.Second, time.Hour, math.MaxInt64} {
		b := bucket(d)
		require.GreaterOrEqual(t, b, last, d)
		last = b
		if d > 0 {
			require.InDelta(t, float64(d), float64(middle(b)), 0.016*float64(d)+0.5, d)
		}
	}
	var h histogram
	h.add(math.MaxInt64)
	require.InEpsilon(t, float64(math.MaxInt64), float64(h.quantile(0.5)), 0.016)
}

func TestSmallDurationsAreExact(t *testing.T) {
	var h histogram
	for d := range time.Duration(100) {
		h.add(d + 1)
	}
	require.Equal(t, Values{"p50": 50, "p90": 90, "p99": 99, "p99.9": 100, "max": 100}, h.values())
}

func TestNotingADurationAllocatesNothing(t *testing.T) {
	h := new(histogram)
	require.Zero(t, testing.AllocsPerRun(100, func() { h.add(time.Millisecond) }))
}
