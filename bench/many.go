package main

import (
	"context"
	"fmt"
	"time"

	gosync "sync"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/ring"
)

// poolManyRows measure many calls at a time, and calls of other kinds than one after the other.
func poolManyRows() []Row {
	two := Row{
		N: 1_000_000, Warm: 100_000, Goal: 1, Place: Free, Workers: 2,
		Payload: "uint64, its complement back, checked", Concurrency: "1 caller, 2 workers",
	}
	one, chunks, slice := two, two, two
	one.Name, one.About = "pool/map/one", "Map of a million empty tasks, one in a message"
	one.Ours, one.Reference = measureTasks(mapAll(pool.Chunk(1))), limit(500, "2 million tasks in a second")
	chunks.Name, chunks.About = "pool/map/chunks", "Map of a million empty tasks, as many in a message as it finds right"
	chunks.Ours, chunks.Reference = measureTasks(mapAll()), limit(50, "20 million tasks in a second")
	slice.Name, slice.About = "pool/map/slice", "MapSlice of a million empty tasks: the inputs in a slice, and the results"
	slice.Ours, slice.Reference = measureTasks(mapSlice), chunks.Reference

	futures := two
	futures.Name, futures.About = "pool/future", "Go of an empty task, and Wait, one after the other"
	futures.N, futures.Warm, futures.Goal, futures.Workers, futures.Concurrency = 20_000, 5_000, 0, 1, "1 caller, 1 worker"
	futures.Ours = measureTasks(goEach)

	parked := futures
	parked.Name, parked.About = "pool/call/parked", "calls of an empty task to one worker, both of which sleep as soon as they wait"
	parked.N, parked.Warm, parked.Goal, parked.Place = 20_000, 2_000, 1.5, TwoCPUs
	parked.Ours, parked.Reference = measureParked, Reference{Name: "C, raw futex, no spin", Source: "futex.c"}

	block := futures
	block.Name, block.About = "pool/call/256B", "calls of a task with 256 bytes in and out, against those of an empty task"
	block.N, block.Warm, block.Goal, block.Payload = 100_000, 20_000, 1.3, "256 bytes, sent back, the first 8 checked"
	block.Ours, block.Reference = measureSpinning(blockEach), Reference{Name: "Go, the empty call", Go: measureSpinning(callEach)}

	crowd := Row{
		Name: "pool/crowd", About: "OS threads more for 10,000 goroutines that each make a call of an empty task",
		N: 10_000, Unit: "threads", Goal: 1, Place: Free, Payload: "uint64, its complement back, checked",
		Concurrency: "10,000 callers, 2 workers", Workers: 2, Ours: measureCallers, Reference: limit(16, "16 threads"),
	}
	return []Row{one, chunks, slice, futures, parked, block, crowd}
}

func goEach(ctx context.Context, p *pool.Pool, j Job, first, n uint64) error {
	for i := first; i != first+n; i++ {
		got, err := complement.Go(ctx, p, j.Salt+i).Wait(ctx)
		if err != nil {
			return err
		}
		expect(got, ^(j.PeerSalt + i), "caller")
	}
	return nil
}

// A parcel is 256 bytes.
type parcel [32]uint64

var sendBack = pool.Task("bench/pool/parcel", func(_ context.Context, b parcel) (parcel, error) { return b, nil })

func blockEach(ctx context.Context, p *pool.Pool, j Job, first, n uint64) error {
	for i := first; i != first+n; i++ {
		got, err := sendBack.Call(ctx, p, parcel{j.Salt + i})
		if err != nil {
			return err
		}
		expect(got[0], j.PeerSalt+i, "caller")
	}
	return nil
}

func measureParked(ctx context.Context, j Job) (float64, error) {
	return measureTasksIn(ctx, j, callEach, pool.Waiting(ring.Park))
}

func measureSpinning(do tasks) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		return measureTasksIn(ctx, j, do, pool.Waiting(ring.Spin))
	}
}

// measureCallers returns how many threads there are more while the callers call.
func measureCallers(ctx context.Context, j Job) (float64, error) {
	p, err := pool.New(ctx, pool.Workers(int(j.Workers)))
	if err != nil {
		return 0, err
	}
	defer p.Close()
	if err := callEach(ctx, p, j, 0, 1000); err != nil {
		return 0, err
	}
	before := threads()
	var all gosync.WaitGroup
	failed := make(chan error, j.N)
	for i := range j.N {
		all.Go(func() { failed <- callEach(ctx, p, j, i, 1) })
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	most := before
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(time.Millisecond):
		}
		most = max(most, threads())
	}
	for range j.N {
		if err := <-failed; err != nil {
			return 0, fmt.Errorf("one of the calls: %w", err)
		}
	}
	return float64(most - before), nil
}
