package main

import (
	"context"
	"fmt"
	"time"

	gosync "sync"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// A fan is how many are at the two ends of a stream.
type fan struct{ Producers, Consumers uint64 }

// fanRows measure streams between many producers and many consumers.
func fanRows() []Row {
	var all []Row
	for _, kind := range []struct {
		name, what, series string
		n                  uint64
	}{{"ring/mpmc", "a ring.MPMC", "MPMC of many", 3_000_000}, {"queue", "a queue.Queue", "Queue of many", 1_000_000}} {
		for _, n := range []uint64{1, 2, 4, 8} {
			shapes := []struct {
				of string
				fan
			}{{"n to n", fan{n, n}}, {"1 to n", fan{1, n}}, {"n to 1", fan{n, 1}}}
			if n == 1 {
				shapes = shapes[:1]
			}
			for _, s := range shapes {
				all = append(all, Row{
					Name:  fmt.Sprintf("scale/%s/%d-to-%d", kind.name, s.Producers, s.Consumers),
					About: fmt.Sprintf("uint64s one by one through %s, of so many producers and consumers, each in a process of its own", kind.what),
					N:     kind.n, Warm: kind.n / 10, Capacity: 4096, Place: Free,
					Payload:     "uint64, each producer's in its order, and all of them",
					Concurrency: fmt.Sprintf("%d producers, %d consumers, on whatever CPUs", s.Producers, s.Consumers),
					Ours:        measureFan(kind.name, s.fan),
					Reference:   Reference{Name: "Go, a channel in one process", Go: measureChannelFan(s.fan)},
					Point:       Point{Series: kind.series, Axis: "n", At: float64(n), Of: s.of},
				})
			}
		}
	}
	return all
}

// shares are how many of about n items each producer puts and each consumer gets, and how many that are.
func (f fan) shares(n uint64) (puts, gets, all uint64) {
	each := max(n/(f.Producers*f.Consumers), 1)
	return each * f.Consumers, each * f.Producers, each * f.Producers * f.Consumers
}

// sum is that of all items of both parts.
func (f fan) sum(j Job) (sum uint64) {
	for _, n := range []uint64{j.Warm, j.N} {
		_, _, all := f.shares(n)
		sum += all * (all - 1) / 2
	}
	return sum
}

// A fanEnd is what one of many has of a stream.
type fanEnd struct {
	put func(ctx context.Context, v uint64) error
	get func(ctx context.Context) (uint64, error)
}

// fanKinds are the streams that there are, by the rows' names.
var fanKinds = map[string]struct {
	make func(seg *shm.Segment, capacity int) error
	open func(seg *shm.Segment) (fanEnd, error)
}{
	"ring/mpmc": {
		func(seg *shm.Segment, capacity int) error {
			_, err := ring.NewMPMC[uint64](seg, capacity, shm.Named("there"))
			return err
		},
		func(seg *shm.Segment) (fanEnd, error) {
			m, err := ring.OpenMPMC[uint64](seg, "there")
			if err != nil {
				return fanEnd{}, err
			}
			return fanEnd{m.Push, m.Pop}, nil
		},
	},
	"queue": {
		func(seg *shm.Segment, capacity int) error {
			_, err := queue.New[uint64](seg, capacity, shm.Named("there"))
			return err
		},
		func(seg *shm.Segment) (fanEnd, error) {
			q, err := queue.Open[uint64](seg, "there")
			if err != nil {
				return fanEnd{}, err
			}
			return fanEnd{q.Put, q.Get}, nil
		},
	},
}

// A fanHand is one of many, and which of its kind.
type fanHand struct {
	Job      Job
	Fan      fan
	Kind     string
	Index    uint64
	Produces bool
}

// part does the hand's share of n items. It returns the sum of what it got.
func (h fanHand) part(ctx context.Context, e fanEnd, n uint64) (sum uint64, err error) {
	puts, gets, _ := h.Fan.shares(n)
	if h.Produces {
		v := h.Index + h.Job.Salt
		for range puts {
			if err := e.put(ctx, v); err != nil {
				return 0, err
			}
			v += h.Fan.Producers
		}
		return 0, nil
	}
	next := make([]uint64, h.Fan.Producers) // the least word that may come of each
	for range gets {
		v, err := e.get(ctx)
		if err != nil {
			return 0, err
		}
		v -= h.Job.PeerSalt
		last := &next[v%h.Fan.Producers]
		expect(max(v, *last), v, "consumer")
		*last = v + h.Fan.Producers
		sum += v
	}
	return sum, nil
}

// hands are all of a fan.
func (f fan) hands(j Job, kind string) []fanHand {
	var all []fanHand
	for i := range f.Producers {
		all = append(all, fanHand{j, f, kind, i, true})
	}
	for i := range f.Consumers {
		all = append(all, fanHand{j, f, kind, i, false})
	}
	return all
}

// measureFan measures many, each in a process of its own. All meet before and behind each part.
func measureFan(kind string, f fan) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		hands := f.hands(j, kind)
		p, err := newPair(j, mpmcBytes(j.Capacity)+1<<20)
		if err != nil {
			return 0, err
		}
		if err := fanKinds[kind].make(p.seg, int(j.Capacity)); err != nil {
			return 0, err
		}
		b, err := sync.NewBarrier(p.seg, len(hands)+1, shm.Named("barrier"))
		if err != nil {
			return 0, err
		}
		a, err := newArena(p.seg)
		if err != nil {
			return 0, err
		}
		pairs := make([]pair, len(hands))
		for i, h := range hands {
			pairs[i] = pair{job: j, seg: p.seg}
			if err := begin(ctx, &pairs[i], fanProcess, h); err != nil {
				return 0, err
			}
		}
		elapsed, err := together(ctx, b, pairs)
		if err != nil {
			return 0, err
		}
		expect(a.counted.Load(), f.sum(j), "consumers")
		_, _, all := f.shares(j.N)
		return float64(elapsed) / float64(all), p.seg.Close()
	}
}

// together is how long the second of two parts takes those who begin and end each at the barrier; then they end.
func together(ctx context.Context, b *sync.Barrier, hands []pair) (elapsed time.Duration, err error) {
	for range 2 {
		if _, err := b.Wait(ctx); err != nil {
			return 0, err
		}
		began := time.Now()
		if _, err := b.Wait(ctx); err != nil {
			return 0, err
		}
		elapsed = time.Since(began)
	}
	for i := range hands {
		if err := hands[i].peer.Wait(ctx); err != nil {
			return 0, err
		}
	}
	return elapsed, nil
}

var fanProcess = proc.Func("bench/scale/hand", func(ctx context.Context, h fanHand) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	e, err := fanKinds[h.Kind].open(seg)
	if err != nil {
		return err
	}
	b, err := sync.OpenBarrier(seg, "barrier")
	if err != nil {
		return err
	}
	a, err := openArena(seg)
	if err != nil {
		return err
	}
	for _, n := range []uint64{h.Job.Warm, h.Job.N} {
		if _, err := b.Wait(ctx); err != nil {
			return err
		}
		sum, err := h.part(ctx, e, n)
		if err != nil {
			return err
		}
		a.counted.Add(sum)
		if _, err := b.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
})

// measureChannelFan is measureFan for goroutines of one process.
func measureChannelFan(f fan) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		there := make(chan uint64, j.Capacity)
		e := fanEnd{
			func(_ context.Context, v uint64) error { there <- v; return nil },
			func(context.Context) (uint64, error) { return <-there, nil },
		}
		var mu gosync.Mutex
		var total uint64
		var elapsed time.Duration
		for _, n := range []uint64{j.Warm, j.N} {
			var all gosync.WaitGroup
			began := time.Now()
			for _, h := range f.hands(j, "") {
				all.Go(func() {
					sum, _ := h.part(ctx, e, n) // a channel has no errors
					mu.Lock()
					defer mu.Unlock()
					total += sum
				})
			}
			all.Wait()
			elapsed = time.Since(began)
		}
		expect(total, f.sum(j), "consumers")
		_, _, all := f.shares(j.N)
		return float64(elapsed) / float64(all), nil
	}
}
