package main

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets, of which 64 share each doubling: a percentile is right to 1.6 %, whatever
// its size, and to note a duration costs the same however many there are. (The layout is that of Tene's HdrHistogram.)
type histogram struct {
	counts [64 * 59]uint64
	n      uint64
	most   time.Duration
}

const subBuckets = 64

// bucket is where d is counted. Below 64 ns each nanosecond has a bucket of its own.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 7 // leaves seven bits, of which the first is set
	return shift*subBuckets + int(v>>shift)
}

// middle is the middle of what a bucket counts.
func middle(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	low := uint64(i-shift*subBuckets) << shift
	return time.Duration(low + 1<<shift/2)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.n++
	h.most = max(h.most, d)
}

// quantile is what at least the share q of all durations does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if n > 0 && float64(seen) >= q*float64(h.n) {
			return min(middle(i), h.most)
		}
	}
	return h.most
}

// latencies are the figures of a row that measures each operation by itself.
func latencies() []Figure {
	return []Figure{{Name: "p50"}, {Name: "p90"}, {Name: "p99"}, {Name: "p99.9"}, {Name: "max"}}
}

// values are those of latencies, in nanoseconds.
func (h *histogram) values() Values {
	return Values{
		"p50": float64(h.quantile(0.50)), "p90": float64(h.quantile(0.90)), "p99": float64(h.quantile(0.99)),
		"p99.9": float64(h.quantile(0.999)), "max": float64(h.most),
	}
}
