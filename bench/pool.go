package main

import (
	"context"
	"math"
	"time"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/ring"
)

// poolRows measure calls of tasks.
func poolRows() []Row {
	figures := latencies()
	figures[0] = Figure{Goal: 3} // the median has the row's own name
	return []Row{{
		Name:  "pool/call/empty",
		About: "calls of an empty task to one worker that is idle and polls, one after the other: the median, and percentiles, less what the clock takes, against the mean of the limit",
		N:     200_000, Warm: 50_000, Figures: figures,
		Place: CallerBound, Payload: "uint64, its complement back, checked", Concurrency: "1 caller, 1 worker",
		Meter:     measureCall,
		Reference: Reference{Name: "C, two cache lines, polled", Source: "pingpong.c"},
	}}
}

// complement is the empty task: it does as little as a worker can that is to prove that it ran.
var complement = pool.Task("bench/pool/complement", func(_ context.Context, v uint64) (uint64, error) { return ^v, nil })

// measureCall measures each call by itself.
func measureCall(ctx context.Context, j Job) (Values, error) {
	p, err := pool.New(ctx, pool.Workers(1), pool.Waiting(ring.Spin))
	if err != nil {
		return nil, err
	}
	v, err := pinned(j.A, func() (Values, error) {
		if err := calls(ctx, p, j, j.Warm, new(histogram)); err != nil {
			return nil, err
		}
		times := new(histogram)
		if err := calls(ctx, p, j, j.N, times); err != nil {
			return nil, err
		}
		v := times.values()
		v[""] = v["p50"]
		return v, nil
	})
	if closed := p.Shutdown(ctx); err == nil {
		err = closed
	}
	return v, err
}

// calls makes n calls, and notes how long each took. The clock is read once for each, and what that takes is no part of it: the limit, whose
// mean is known, reads none.
func calls(ctx context.Context, p *pool.Pool, j Job, n uint64, times *histogram) error {
	reading := clockReading()
	begin := time.Now()
	var before time.Duration
	for i := range n {
		got, err := complement.Call(ctx, p, j.Salt+i)
		if err != nil {
			return err
		}
		expect(got, ^(j.PeerSalt + i), "caller")
		now := time.Since(begin)
		times.add(now - before - reading)
		before = now
	}
	return nil
}

// clockReading is what it takes to read the clock and to note a duration: the least mean of several.
func clockReading() time.Duration {
	const readings = 1000
	least := time.Duration(math.MaxInt64)
	for range 20 {
		times := new(histogram)
		begin := time.Now()
		var before time.Duration
		for range readings {
			now := time.Since(begin)
			times.add(now - before)
			before = now
		}
		least = min(least, before)
	}
	return least / readings
}
