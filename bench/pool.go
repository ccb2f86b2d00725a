package main

import (
	"context"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/ring"
)

// poolRows measure calls of tasks.
func poolRows() []Row {
	median := Row{
		Name:  "pool/call/empty",
		About: "median of calls of an empty task to one worker that is idle and polls, one call after the other",
		N:     200_000, Warm: 50_000, Goal: 7,
		Place: CallerBound, Payload: "uint64, its complement back, checked", Concurrency: "1 caller, 1 worker",
		Ours:      measureCall(0.50),
		Reference: Reference{Name: "C, two cache lines, polled", Source: "pingpong.c"},
	}
	tail := median
	tail.Name += "/p99"
	tail.About = "the 99th percentile of the same calls, against the mean of the limit"
	tail.Goal = 0
	tail.Ours = measureCall(0.99)
	return []Row{median, tail}
}

// complement is the empty task: it does as little as a worker can that is to prove that it ran.
var complement = pool.Task("bench/pool/complement", func(_ context.Context, v uint64) (uint64, error) { return ^v, nil })

// measureCall measures the time that a share q of all calls does not exceed.
func measureCall(q float64) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		p, err := pool.New(ctx, pool.Workers(1), pool.Waiting(ring.Spin))
		if err != nil {
			return 0, err
		}
		v, err := pinned(j.A, func() (float64, error) {
			times := make([]time.Duration, j.N)
			if err := calls(ctx, p, j, j.Warm, nil); err != nil {
				return 0, err
			}
			if err := calls(ctx, p, j, j.N, times); err != nil {
				return 0, err
			}
			slices.Sort(times)
			return float64(quantile(times, q)), nil
		})
		if closed := p.Close(); err == nil {
			err = closed
		}
		return v, err
	}
}

// calls makes n calls, and notes how long each took if there is room for it. The clock is read once for each.
func calls(ctx context.Context, p *pool.Pool, j Job, n uint64, times []time.Duration) error {
	begin := time.Now()
	var before time.Duration
	for i := range n {
		got, err := complement.Call(ctx, p, j.Salt+i)
		if err != nil {
			return err
		}
		expect(got, ^(j.PeerSalt + i), "caller")
		if times != nil {
			now := time.Since(begin)
			times[i], before = now-before, now
		}
	}
	return nil
}
