package main

import (
	"context"
	"runtime"
	"time"
)

// workRow is the row that the runner calibrates the work of paced producers with.
const workRow = "harness/work"

// harnessRows measure what the measuring itself costs, and whether C and Go pay the same for it.
func harnessRows() []Row {
	return []Row{
		{
			Name:  workRow,
			About: "the work of a paced producer for one item, on its own",
			N:     20_000_000, Warm: 2_000_000, Pace: 2,
			Place: OneCPU, Payload: "none", Concurrency: "1 process",
			Ours:      measureWork,
			Reference: Reference{Name: "C, the same chain", Source: "work.c"},
		},
		{
			Name:  "harness/clock",
			About: "one reading of the clock, which a row of percentiles pays for each operation",
			N:     2_000_000, Warm: 200_000,
			Place: OneCPU, Payload: "none", Concurrency: "1 process",
			Ours:      measureClock,
			Reference: Reference{Name: "C, clock_gettime", Source: "clock.c"},
		},
	}
}

// work is a chain of multiplications of which each needs the one before, carried on from item to item; common.h has
// the same. Its result must be used.
func work(x, steps uint64) uint64 {
	for ; steps > 0; steps-- {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

func measureWork(_ context.Context, j Job) (float64, error) {
	return pinned(j.A, func() (float64, error) {
		x := work(j.Salt, j.Warm*j.Steps)
		begin := time.Now()
		for range j.N {
			x = work(x, j.Steps)
		}
		elapsed := time.Since(begin)
		runtime.KeepAlive(x)
		return j.per(elapsed), nil
	})
}

func measureClock(_ context.Context, j Job) (float64, error) {
	return pinned(j.A, func() (float64, error) {
		begin := time.Now()
		var last time.Duration
		for range j.Warm {
			last = time.Since(begin)
		}
		begin = time.Now()
		for range j.N {
			last = time.Since(begin)
		}
		elapsed := time.Since(begin)
		runtime.KeepAlive(last)
		return j.per(elapsed), nil
	})
}

// per is the time of one of the job's N operations, in nanoseconds.
func (j Job) per(elapsed time.Duration) float64 {
	return float64(elapsed) / float64(j.N)
}
