package pool

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachLatencyHasItsBucket(t *testing.T) {
	last := -1
	for d := time.Duration(1); d < 4*time.Hour; d += d/40 + 1 {
		b := latencyBucket(d)
		require.GreaterOrEqual(t, b, last)
		require.Less(t, b, latencyBuckets)
		require.InDelta(t, float64(d), float64(latencyIn(b)), float64(d)/30+0.5)
		last = b
	}
	require.Equal(t, 0, latencyBucket(-1))
	require.Equal(t, latencyBuckets-1, latencyBucket(math.MaxInt64))
}

func TestQuantilesOfLatencies(t *testing.T) {
	var l Latency
	require.Zero(t, l.Quantile(0.5))
	for i := range 1000 {
		l.add(time.Duration(i+1)*time.Millisecond, 2)
	}
	require.EqualValues(t, 2000, l.Count())
	require.Equal(t, time.Second, l.Max())
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 1} {
		want := q * float64(time.Second)
		require.InDelta(t, want, float64(l.Quantile(q)), want/30)
	}
	b, err := json.Marshal(l)
	require.NoError(t, err)
	var figures map[string]int64
	require.NoError(t, json.Unmarshal(b, &figures))
	require.EqualValues(t, 2000, figures["count"])
	require.EqualValues(t, time.Second, figures["max"])
}

// Of quick calls some are measured, and count for the others; of slow ones all are.
func TestLatencyCountsEachCall(t *testing.T) {
	var counts tally
	const n = 16*100 + 1
	born := time.Now()
	for range n {
		counts.returned(outcomeResult, born, time.Since(born))
	}
	require.EqualValues(t, n, counts.done)
	require.EqualValues(t, n, counts.latency.Count()+counts.unmeasured)
	require.Less(t, counts.unmeasured, uint64(measuredOne))
	for more := range uint64(measuredOne) {
		var all WorkerStats
		all.add(&counts)
		require.EqualValues(t, n+more, all.Latency.Count(), "those that are not measured yet count, too")
		counts.returned(outcomeResult, born, time.Since(born))
	}

	counts = tally{}
	for range 10 {
		counts.returned(outcomeError, born, time.Since(born)-time.Second)
	}
	require.EqualValues(t, 10, counts.failed)
	require.EqualValues(t, 10, counts.latency.Count())
	require.GreaterOrEqual(t, counts.latency.Quantile(0), 900*time.Millisecond)
}
