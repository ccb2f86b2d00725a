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
	rows := []Row{{
		Name:  "ring/spsc/pingpong",
		About: "round trip of a uint64 over two rings, both sides spinning",
		N:     400_000, Warm: 100_000, Often: 5, Capacity: 64, Goal: 1.1,
		Place: TwoCPUs, Payload: "uint64, checked at both ends", Concurrency: "1 caller, 1 echo",
		Ours:      measurePingPong(ring.Spin),
		Reference: Reference{Name: "C, two cache lines, polled", Source: "pingpong.c"},
	}, {
		Name:  "ring/spsc/pingpong/each",
		About: "the same, each round trip by itself: percentiles",
		N:     1_000_000, Warm: 300_000, Capacity: 64, Figures: latencies(),
		Place: TwoCPUs, Payload: "uint64, checked at both ends", Concurrency: "1 caller, 1 echo",
		Meter: measureTrips,
	}}
	return append(rows, streamRows()...)
}

// streamRows measure streams of uint64s: one by one and in batches, at two paces, through rings of three capacities.
func streamRows() []Row {
	const tight, paced = "writer and reader as fast as they can", "the writer with 2 ns of work for each: the reader catches up with it"
	base := Row{
		N: 10_000_000, Warm: 4_000_000, Often: 5, Capacity: 65_536,
		Place: TwoCPUs, Payload: "uint64, each checked", Concurrency: "1 writer, 1 reader",
	}
	row := func(name, about string, pace, goal float64, ours Side, ref Reference) Row {
		r := base
		r.Name, r.About, r.Pace, r.Goal, r.Ours, r.Reference = name, about, pace, goal, ours, ref
		return r
	}
	one := Reference{Name: "Boost spsc_queue", Source: "boost_spsc.cc", Kind: "one"}
	many := Reference{Name: "Boost spsc_queue, batches of 64", Source: "boost_spsc.cc", Kind: "batch"}
	cached := Reference{Name: "C, SPSC ring of cached indices", Source: "spsc.c"}
	rows := []Row{
		row("ring/spsc/stream/tight", "uint64s one by one, "+tight, 0, 0.5, measureStream, one),
		row("ring/spsc/stream/paced", "uint64s one by one, "+paced, 2, 0.8, measureStream, one),
		row("ring/spsc/stream/tight/cached", "the same, beside another ring", 0, 0, measureStream, cached),
		row("ring/spsc/stream/paced/cached", "the same, beside another ring", 2, 0, measureStream, cached),
	}
	for _, c := range []struct {
		name     string
		capacity uint64
	}{{"1Ki", 1 << 10}, {"1Mi", 1 << 20}} {
		t := row("ring/spsc/stream/tight/"+c.name, "uint64s one by one, "+tight, 0, 1, measureStream, one)
		p := row("ring/spsc/stream/paced/"+c.name, "uint64s one by one, "+paced, 2, 1, measureStream, one)
		t.Capacity, p.Capacity = c.capacity, c.capacity
		rows = append(rows, t, p)
	}
	return append(rows,
		row("ring/spsc/batch/tight", "uint64s by PushN and PopN of 64, "+tight, 0, 0.9, measureBatches(copied), many),
		row("ring/spsc/batch/paced", "uint64s by PushN and PopN of 64, "+paced, 2, 0, measureBatches(copied), many),
		row("ring/spsc/run/tight", "uint64s by Reserve and Peek of 64 in place, "+tight, 0, 0, measureBatches(inPlace), many),
	)
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
func ringBytes(capacity uint64) int64 { return int64(capacity)*16 + 1<<18 }

// measurePingPong measures round trips whose sides wait in that way.
func measurePingPong(policy ring.Policy) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		return pingPong(ctx, j, policy, func(w *ring.Writer[uint64], r *ring.Reader[uint64]) (float64, error) {
			begin := time.Now()
			err := roundTrips(ctx, w, r, j.Salt+j.Warm, j.N)
			return j.per(time.Since(begin)), err
		})
	}
}

// measureTrips measures each round trip by itself. The clock is read once for each.
func measureTrips(ctx context.Context, j Job) (Values, error) {
	return pingPong(ctx, j, ring.Spin, func(w *ring.Writer[uint64], r *ring.Reader[uint64]) (Values, error) {
		times := new(histogram)
		begin := time.Now()
		var before time.Duration
		for i := range j.N {
			if err := roundTrips(ctx, w, r, j.Salt+j.Warm+i, 1); err != nil {
				return nil, err
			}
			now := time.Since(begin)
			times.add(now - before)
			before = now
		}
		return times.values(), nil
	})
}

// pingPong has the caller's side measured, after some round trips to warm up.
func pingPong[V any](
	ctx context.Context, j Job, policy ring.Policy, measure func(*ring.Writer[uint64], *ring.Reader[uint64]) (V, error),
) (none V, _ error) {
	peer := spinningEcho
	if policy == ring.Park {
		peer = parkedEcho
	}
	p, err := newPair(j, 2*ringBytes(j.Capacity))
	if err != nil {
		return none, err
	}
	w, r, err := makeRings(p.seg, j.Capacity, j.Capacity, ring.Waiting(policy))
	if err != nil {
		return none, err
	}
	if err := p.start(ctx, peer); err != nil {
		return none, err
	}
	v, err := pinned(j.A, func() (V, error) {
		if err := roundTrips(ctx, w, r, j.Salt, j.Warm); err != nil {
			return none, err
		}
		return measure(w, r)
	})
	return v, p.finish(ctx, err)
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

// A way is how both ends of a stream move their items. produce carries x, the work, on from part to part.
type way struct {
	produce func(ctx context.Context, w *ring.Writer[uint64], p part, x *uint64) error
	consume func(ctx context.Context, r *ring.Reader[uint64], first, n uint64) error
	peer    **proc.Function[Job]
}

func measureStream(ctx context.Context, j Job) (float64, error) { return measureWay(ctx, j, oneByOne) }

func measureBatches(w way) Side {
	return func(ctx context.Context, j Job) (float64, error) { return measureWay(ctx, j, w) }
}

// measureWay measures items that go one way. The way back tells only that the reader has checked all of a part.
func measureWay(ctx context.Context, j Job, way way) (float64, error) {
	p, err := newPair(j, ringBytes(j.Capacity)+ringBytes(1))
	if err != nil {
		return 0, err
	}
	w, r, err := makeRings(p.seg, j.Capacity, 1, ring.Waiting(ring.Spin))
	if err != nil {
		return 0, err
	}
	if err := p.start(ctx, *way.peer); err != nil {
		return 0, err
	}
	v, err := pinned(j.A, func() (float64, error) {
		x := j.Salt
		produce := func(p part) error {
			if err := way.produce(ctx, w, p, &x); err != nil {
				return err
			}
			last, err := r.Pop(ctx)
			if err == nil {
				expect(last, p.first+p.n, "producer")
			}
			return err
		}
		if err := produce(part{j.Salt, j.Warm, j.Steps}); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := produce(part{j.Salt + j.Warm, j.N, j.Steps})
		elapsed := time.Since(begin)
		runtime.KeepAlive(x)
		return j.per(elapsed), err
	})
	return v, p.finish(ctx, err)
}

// A part of a stream: n items from first on, each after so many steps of work.
type part struct{ first, n, steps uint64 }

var (
	oneByOne = way{produce, consume, &consumer}
	copied   = way{produceBatches[*ring.Writer[uint64]], consumeBatches, &batchConsumer}
	inPlace  = way{produceRuns, consumeRuns, &runConsumer}

	consumer      = consumerOf("bench/ring/consumer", consume)
	batchConsumer = consumerOf("bench/ring/consumer/batches", consumeBatches)
	runConsumer   = consumerOf("bench/ring/consumer/runs", consumeRuns)
)

// consumerOf checks the items of each part, and tells the producer.
func consumerOf(name string, consume func(ctx context.Context, r *ring.Reader[uint64], first, n uint64) error) *proc.Function[Job] {
	return proc.Func(name, func(ctx context.Context, j Job) error {
		seg, err := attached(ctx)
		if err != nil {
			return err
		}
		w, r, err := openRings(seg, ring.Waiting(ring.Spin))
		if err != nil {
			return err
		}
		part := func(first, n uint64) error {
			if err := consume(ctx, r, first, n); err != nil {
				return err
			}
			return w.Push(ctx, first+n)
		}
		_, err = pinned(j.B, func() (struct{}, error) {
			if err := part(j.PeerSalt, j.Warm); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, part(j.PeerSalt+j.Warm, j.N)
		})
		return err
	})
}

func produce(ctx context.Context, w *ring.Writer[uint64], p part, x *uint64) error {
	if p.steps == 0 {
		for v := p.first; v != p.first+p.n; v++ {
			if err := w.Push(ctx, v); err != nil {
				return err
			}
		}
		return nil
	}
	y := *x
	for v := p.first; v != p.first+p.n; v++ {
		y = work(y, p.steps)
		if err := w.Push(ctx, v); err != nil {
			return err
		}
	}
	*x = y
	return nil
}

func consume(ctx context.Context, r *ring.Reader[uint64], first, n uint64) error {
	for want := first; want != first+n; want++ {
		got, err := r.Pop(ctx)
		if err != nil {
			return err
		}
		expect(got, want, "consumer")
	}
	return nil
}

// batch is how many items go at a time, as in the reference.
const batch = 64

// A batcher is what takes a batch at a time: a ring's writer, or a Broadcast's.
type batcher interface {
	PushN(ctx context.Context, items []uint64) (int, error)
}

func produceBatches[W batcher](ctx context.Context, w W, p part, x *uint64) error {
	var items [batch]uint64
	y := *x
	for v, end := p.first, p.first+p.n; v != end; {
		n := min(batch, end-v)
		for k := range items[:n] {
			y = work(y, p.steps)
			items[k] = v + uint64(k)
		}
		if _, err := w.PushN(ctx, items[:n]); err != nil {
			return err
		}
		v += n
	}
	*x = y
	return nil
}

func consumeBatches(ctx context.Context, r *ring.Reader[uint64], first, n uint64) error {
	var items [batch]uint64
	for want, end := first, first+n; want != end; {
		k, err := r.PopN(ctx, items[:min(batch, end-want)])
		if err != nil {
			return err
		}
		for _, got := range items[:k] {
			expect(got, want, "consumer")
			want++
		}
	}
	return nil
}

func produceRuns(ctx context.Context, w *ring.Writer[uint64], p part, x *uint64) error {
	y := *x
	for v, end := p.first, p.first+p.n; v != end; {
		run, err := w.Reserve(ctx, int(min(batch, end-v)))
		if err != nil {
			return err
		}
		for k := range run.Len() {
			y = work(y, p.steps)
			*run.At(k) = v
			v++
		}
		w.Commit(run.Len())
	}
	*x = y
	return nil
}

func consumeRuns(ctx context.Context, r *ring.Reader[uint64], first, n uint64) error {
	for want, end := first, first+n; want != end; {
		run, err := r.Peek(ctx, int(min(batch, end-want)))
		if err != nil {
			return err
		}
		for k := range run.Len() {
			expect(*run.At(k), want, "consumer")
			want++
		}
		r.Release(run.Len())
	}
	return nil
}
