package main

import (
	"context"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// ringRows measure rings of one writer and one reader between two processes that spin.
func ringRows() []Row {
	limit := Reference{Name: "C, two cache lines, polled", Source: "pingpong.c"}
	stream := Row{
		About: "uint64s one by one, writer and reader as fast as they can",
		N:     50_000_000, Warm: 20_000_000, Capacity: 65_536,
		Place: TwoCPUs, Payload: "uint64, each checked", Concurrency: "1 writer, 1 reader",
		Ours:      measureStream,
		Reference: Reference{Name: "C, SPSC ring of cached indices", Source: "spsc.c"},
	}
	tight, paced := stream, stream
	tight.Name = "ring/spsc/stream/tight"
	paced.Name = "ring/spsc/stream/paced"
	paced.About = "the same, the writer with 2 ns of work for each: the reader catches up with it"
	paced.Pace = 2
	return []Row{
		{
			Name:  "ring/spsc/pingpong",
			About: "round trip of a uint64 over two rings, both sides spinning",
			N:     1_000_000, Warm: 300_000, Capacity: 64, Goal: 1.15,
			Place: TwoCPUs, Payload: "uint64, checked at both ends", Concurrency: "1 caller, 1 echo",
			Ours:      measurePingPong(ring.Spin),
			Reference: limit,
		},
		tight,
		paced,
	}
}

// makeRings makes the rings of side A: there leads to B, back from B.
func makeRings(seg *shm.Segment, there, back uint64, opts ...ring.EndOption) (*ring.Writer[uint64], *ring.Reader[uint64], error) {
	t, err := ring.NewSPSC[uint64](seg, int(there), shm.Named("there"))
	if err != nil {
		return nil, nil, err
	}
	b, err := ring.NewSPSC[uint64](seg, int(back), shm.Named("back"))
	if err != nil {
		return nil, nil, err
	}
	return takeEnds(t, b, opts)
}

// openRings finds the rings of side B: a writer of back, and a reader of there.
func openRings(seg *shm.Segment, opts ...ring.EndOption) (*ring.Writer[uint64], *ring.Reader[uint64], error) {
	t, err := ring.OpenSPSC[uint64](seg, "there")
	if err != nil {
		return nil, nil, err
	}
	b, err := ring.OpenSPSC[uint64](seg, "back")
	if err != nil {
		return nil, nil, err
	}
	return takeEnds(b, t, opts)
}

func takeEnds(out, in *ring.SPSC[uint64], opts []ring.EndOption) (*ring.Writer[uint64], *ring.Reader[uint64], error) {
	w, err := out.Writer(opts...)
	if err != nil {
		return nil, nil, err
	}
	r, err := in.Reader(opts...)
	return w, r, err
}

// ringBytes is room enough for a ring of that many uint64s.
func ringBytes(capacity uint64) int64 { return int64(capacity)*16 + 4096 }

// measurePingPong measures round trips whose sides wait in that way.
func measurePingPong(policy ring.Policy) Side {
	peer := spinningEcho
	if policy == ring.Park {
		peer = parkedEcho
	}
	return func(ctx context.Context, j Job) (float64, error) {
		p, err := newPair(j, 2*ringBytes(j.Capacity))
		if err != nil {
			return 0, err
		}
		w, r, err := makeRings(p.seg, j.Capacity, j.Capacity, ring.Waiting(policy))
		if err != nil {
			return 0, err
		}
		if err := p.start(ctx, peer); err != nil {
			return 0, err
		}
		v, err := pinned(j.A, func() (float64, error) {
			if err := roundTrips(ctx, w, r, j.Salt, j.Warm); err != nil {
				return 0, err
			}
			begin := time.Now()
			err := roundTrips(ctx, w, r, j.Salt+j.Warm, j.N)
			return j.per(time.Since(begin)), err
		})
		return v, p.finish(ctx, err)
	}
}

func roundTrips(ctx context.Context, w *ring.Writer[uint64], r *ring.Reader[uint64], first, n uint64) error {
	for want := first + 1; want != first+1+n; want++ {
		if err := w.Push(ctx, want); err != nil {
			return err
		}
		got, err := r.Pop(ctx)
		if err != nil {
			return err
		}
		expect(got, want, "caller")
	}
	return nil
}

var (
	spinningEcho = proc.Func("bench/ring/echo/spinning", echo(ring.Spin))
	parkedEcho   = proc.Func("bench/ring/echo/parked", echo(ring.Park))
)

func echo(policy ring.Policy) func(context.Context, Job) error {
	return func(ctx context.Context, j Job) error {
		seg, err := attached(ctx)
		if err != nil {
			return err
		}
		w, r, err := openRings(seg, ring.Waiting(policy))
		if err != nil {
			return err
		}
		_, err = pinned(j.B, func() (struct{}, error) {
			for want := j.PeerSalt + 1; want != j.PeerSalt+1+j.Warm+j.N; want++ {
				got, err := r.Pop(ctx)
				if err != nil {
					return struct{}{}, err
				}
				expect(got, want, "echo")
				if err := w.Push(ctx, got); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		return err
	}
}

// measureStream measures items that go one way. The way back tells only that the reader has checked all of a part.
func measureStream(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, ringBytes(j.Capacity)+ringBytes(1))
	if err != nil {
		return 0, err
	}
	w, r, err := makeRings(p.seg, j.Capacity, 1, ring.Waiting(ring.Spin))
	if err != nil {
		return 0, err
	}
	if err := p.start(ctx, consumer); err != nil {
		return 0, err
	}
	v, err := pinned(j.A, func() (float64, error) {
		x := j.Salt
		if err := produce(ctx, w, r, part{j.Salt, j.Warm, j.Steps}, &x); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := produce(ctx, w, r, part{j.Salt + j.Warm, j.N, j.Steps}, &x)
		elapsed := time.Since(begin)
		runtime.KeepAlive(x)
		return j.per(elapsed), err
	})
	return v, p.finish(ctx, err)
}

// A part of a stream: n items from first on, each after so many steps of work.
type part struct{ first, n, steps uint64 }

// produce pushes a part, and returns when the consumer has checked it. x carries the work on from part to part.
func produce(ctx context.Context, w *ring.Writer[uint64], r *ring.Reader[uint64], p part, x *uint64) error {
	y := *x
	for v := p.first; v != p.first+p.n; v++ {
		y = work(y, p.steps)
		if err := w.Push(ctx, v); err != nil {
			return err
		}
	}
	*x = y
	last, err := r.Pop(ctx)
	if err == nil {
		expect(last, p.first+p.n, "producer")
	}
	return err
}

var consumer = proc.Func("bench/ring/consumer", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	w, r, err := openRings(seg, ring.Waiting(ring.Spin))
	if err != nil {
		return err
	}
	_, err = pinned(j.B, func() (struct{}, error) {
		if err := consume(ctx, w, r, j.PeerSalt, j.Warm); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, consume(ctx, w, r, j.PeerSalt+j.Warm, j.N)
	})
	return err
})

// consume checks n items from first on, and tells the producer.
func consume(ctx context.Context, w *ring.Writer[uint64], r *ring.Reader[uint64], first, n uint64) error {
	for want := first; want != first+n; want++ {
		got, err := r.Pop(ctx)
		if err != nil {
			return err
		}
		expect(got, want, "consumer")
	}
	return w.Push(ctx, first+n)
}
