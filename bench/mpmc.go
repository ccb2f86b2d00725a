package main

import (
	"context"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// mpmcRows measure rings of any number of producers and consumers.
func mpmcRows() []Row {
	stream := Row{
		About: "uint64s one by one through a ring of many ends, one producer and one consumer as fast as they can",
		N:     5_000_000, Warm: 1_500_000, Often: 5, Capacity: 65_536, Goal: 1.0,
		Place: TwoCPUs, Payload: "uint64, each checked", Concurrency: "1 producer, 1 consumer",
		Ours:      measureMPMC,
		Reference: Reference{Name: "C, tickets and turns", Source: "mpmc.c"},
	}
	tight, paced := stream, stream
	tight.Name = "ring/mpmc/stream/tight"
	paced.Name = "ring/mpmc/stream/paced"
	paced.About = "the same, the producer with 2 ns of work for each: the consumer catches up with it"
	paced.Pace = 2
	many := tight
	many.Name = "ring/mpmc/many"
	many.About = "the same with four of each, all in processes of their own, that sleep when they cannot go on, against one and one"
	many.N, many.Warm, many.Often, many.Workers, many.Goal = 12_000_000, 2_000_000, 1, 4, 3.0
	many.Concurrency = "4 producers, 4 consumers, on whatever CPUs"
	many.Payload = "uint64, each producer's in its order, and all of them"
	many.Ours = measureFan("ring/mpmc", fan{many.Workers, many.Workers})
	many.Reference = Reference{Name: "this ring, one to one", Go: measureMPMC}
	beside := many
	beside.Name += "/tickets"
	beside.About = "the same, against a ring whose producers and consumers poll"
	beside.N, beside.Warm, beside.Goal = 1_000_000, 100_000, 1.0
	beside.Reference = stream.Reference
	return []Row{tight, paced, many, beside}
}

// mpmcBytes is room enough for a ring of that many uint64s.
func mpmcBytes(capacity uint64) int64 { return int64(capacity)*16*8 + 64<<10 }

// measureMPMC measures values that go one way; see measureStream.
func measureMPMC(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, mpmcBytes(j.Capacity)+ringBytes(1))
	if err != nil {
		return 0, err
	}
	there, err := ring.NewMPMC[uint64](p.seg, int(j.Capacity), shm.Named("there"))
	if err != nil {
		return 0, err
	}
	back, err := ring.NewSPSC[uint64](p.seg, 1, shm.Named("back"))
	if err != nil {
		return 0, err
	}
	answers, err := back.Reader(ring.Waiting(ring.Spin))
	if err != nil {
		return 0, err
	}
	there.SetPolicy(ring.Spin)
	if err := p.start(ctx, mpmcConsumer); err != nil {
		return 0, err
	}
	v, err := pinned(j.A, func() (float64, error) {
		x := j.Salt
		if err := produceMPMC(ctx, there, answers, part{j.Salt, j.Warm, j.Steps}, &x); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := produceMPMC(ctx, there, answers, part{j.Salt + j.Warm, j.N, j.Steps}, &x)
		elapsed := time.Since(begin)
		runtime.KeepAlive(x)
		return j.per(elapsed), err
	})
	return v, p.finish(ctx, err)
}

// produceMPMC is produce for such a ring.
func produceMPMC(ctx context.Context, m *ring.MPMC[uint64], answers *ring.Reader[uint64], p part, x *uint64) error {
	y := *x
	for v := p.first; v != p.first+p.n; v++ {
		y = work(y, p.steps)
		if err := m.Push(ctx, v); err != nil {
			return err
		}
	}
	*x = y
	last, err := answers.Pop(ctx)
	if err == nil {
		expect(last, p.first+p.n, "producer")
	}
	return err
}

var mpmcConsumer = proc.Func("bench/ring/mpmc/consumer", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	m, err := ring.OpenMPMC[uint64](seg, "there")
	if err != nil {
		return err
	}
	back, err := ring.OpenSPSC[uint64](seg, "back")
	if err != nil {
		return err
	}
	answers, err := back.Writer()
	if err != nil {
		return err
	}
	m.SetPolicy(ring.Spin)
	_, err = pinned(j.B, func() (struct{}, error) {
		want := j.PeerSalt
		for _, n := range []uint64{j.Warm, j.N} {
			for end := want + n; want != end; want++ {
				got, err := m.Pop(ctx)
				if err != nil {
					return struct{}{}, err
				}
				expect(got, want, "consumer")
			}
			if err := answers.Push(ctx, want); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
})
