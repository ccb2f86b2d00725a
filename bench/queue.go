package main

import (
	"context"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// queueRows measure queues.
func queueRows() []Row {
	boost := Row{
		Name: "queue/stream/boost", About: "uint64s through a queue, one producer and one consumer as fast as they can",
		N: 2_000_000, Warm: 500_000, Capacity: 1024, Goal: 0.2,
		Place: TwoCPUs, Payload: "uint64, each checked", Concurrency: "1 producer, 1 consumer",
		Ours:      measureQueue,
		Reference: Reference{Name: "C++, Boost message_queue", Source: "boost_message_queue.cc"},
	}
	channel := boost
	channel.Name = "queue/stream/channel"
	channel.About = "the same, against goroutines of one process"
	channel.Goal = 1.0
	channel.Reference = Reference{Name: "Go, a buffered channel in one process", Go: measureChannel}
	return []Row{boost, channel}
}

// measureQueue measures values that go one way.
func measureQueue(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, int64(j.Capacity)*16*2+1<<20)
	if err != nil {
		return 0, err
	}
	there, err := queue.New[uint64](p.seg, int(j.Capacity), shm.Named("there"))
	if err != nil {
		return 0, err
	}
	back, err := queue.New[uint64](p.seg, 1, shm.Named("back"))
	if err != nil {
		return 0, err
	}
	there.SetPolicy(queue.Spin)
	back.SetPolicy(queue.Spin)
	if err := p.start(ctx, queueConsumer); err != nil {
		return 0, err
	}
	part := func(first, n uint64) error {
		for v := first; v != first+n; v++ {
			if err := there.Put(ctx, v); err != nil {
				return err
			}
		}
		last, err := back.Get(ctx)
		if err == nil {
			expect(last, first+n, "producer")
		}
		return err
	}
	v, err := pinned(j.A, func() (float64, error) {
		if err := part(j.Salt, j.Warm); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := part(j.Salt+j.Warm, j.N)
		return j.per(time.Since(begin)), err
	})
	return v, p.finish(ctx, err)
}

var queueConsumer = proc.Func("bench/queue/consumer", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	there, err := queue.Open[uint64](seg, "there")
	if err != nil {
		return err
	}
	back, err := queue.Open[uint64](seg, "back")
	if err != nil {
		return err
	}
	there.SetPolicy(queue.Spin)
	_, err = pinned(j.B, func() (struct{}, error) {
		want := j.PeerSalt
		for _, n := range []uint64{j.Warm, j.N} {
			for end := want + n; want != end; want++ {
				got, err := there.Get(ctx)
				if err != nil {
					return struct{}{}, err
				}
				expect(got, want, "consumer")
			}
			if err := back.Put(ctx, want); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
})

// measureChannel is measureQueue for goroutines of one process.
func measureChannel(_ context.Context, j Job) (float64, error) {
	there, back := make(chan uint64, j.Capacity), make(chan uint64)
	go func() {
		want := j.PeerSalt
		for _, n := range []uint64{j.Warm, j.N} {
			for end := want + n; want != end; want++ {
				expect(<-there, want, "consumer")
			}
			back <- want
		}
	}()
	part := func(first, n uint64) {
		for v := first; v != first+n; v++ {
			there <- v
		}
		expect(<-back, first+n, "producer")
	}
	part(j.Salt, j.Warm)
	begin := time.Now()
	part(j.Salt+j.Warm, j.N)
	return j.per(time.Since(begin)), nil
}
