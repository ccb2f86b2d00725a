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
	python := boost
	python.Name = "queue/stream/python"
	python.About = "the same, against processes of Python"
	python.N, python.Warm = 100_000, 10_000
	python.Goal = 0.01
	python.Reference = Reference{Name: "Python, multiprocessing.Queue", Source: "python_queue.py"}
	orders := boost
	orders.Name = "queue/stream/structs"
	orders.About = "structs with strings through a queue, by the codec, one producer and one consumer as fast as they can"
	orders.N, orders.Warm = 500_000, 50_000
	orders.Goal = 1
	orders.Payload = "a struct of three strings and three numbers, of which one is checked"
	orders.Ours = measureOrders
	orders.Reference = limit(1000, "a million a second")
	return []Row{boost, channel, python, orders}
}

// order is a message that is no plain memory.
type order struct {
	Number   uint64
	Customer string
	Item     string
	Count    int
	Price    float64
	Note     string
}

func orderOf(v uint64) order {
	return order{Number: v, Customer: "Kelmscott Press", Item: "Golden type, a fount", Count: 3, Price: 17.5}
}

// measureQueue measures values that go one way.
func measureQueue(ctx context.Context, j Job) (float64, error) {
	return produceFor(ctx, j, queueConsumer, func(there *queue.Queue[uint64], first, n uint64) error {
		for v := first; v != first+n; v++ {
			if err := there.Put(ctx, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// measureOrders is measureQueue for structs with strings.
func measureOrders(ctx context.Context, j Job) (float64, error) {
	return produceFor(ctx, j, orderConsumer, func(there *queue.Queue[order], first, n uint64) error {
		for v := first; v != first+n; v++ {
			if err := there.Put(ctx, orderOf(v)); err != nil {
				return err
			}
		}
		return nil
	})
}

// produceFor measures the messages that send sends to a consumer.
func produceFor[T any](ctx context.Context, j Job, consumer *proc.Function[Job], send func(there *queue.Queue[T], first, n uint64) error) (float64, error) {
	p, err := newPair(j, int64(j.Capacity)*128*2+1<<20)
	if err != nil {
		return 0, err
	}
	there, err := queue.New[T](p.seg, int(j.Capacity), shm.Named("there"))
	if err != nil {
		return 0, err
	}
	back, err := queue.New[uint64](p.seg, 1, shm.Named("back"))
	if err != nil {
		return 0, err
	}
	there.SetPolicy(queue.Spin)
	back.SetPolicy(queue.Spin)
	if err := p.start(ctx, consumer); err != nil {
		return 0, err
	}
	part := func(first, n uint64) error {
		if err := send(there, first, n); err != nil {
			return err
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
	return consumeFor(ctx, j, func(there *queue.Queue[uint64], first, n uint64) error {
		for want := first; want != first+n; want++ {
			got, err := there.Get(ctx)
			if err != nil {
				return err
			}
			expect(got, want, "consumer")
		}
		return nil
	})
})

var orderConsumer = proc.Func("bench/queue/orderConsumer", func(ctx context.Context, j Job) error {
	return consumeFor(ctx, j, func(there *queue.Queue[order], first, n uint64) error {
		for want := first; want != first+n; want++ {
			got, err := there.Get(ctx)
			if err != nil {
				return err
			}
			expect(got.Number, want, "consumer")
		}
		return nil
	})
})

// consumeFor has receive receive what a producer sends.
func consumeFor[T any](ctx context.Context, j Job, receive func(there *queue.Queue[T], first, n uint64) error) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	there, err := queue.Open[T](seg, "there")
	if err != nil {
		return err
	}
	back, err := queue.Open[uint64](seg, "back")
	if err != nil {
		return err
	}
	there.SetPolicy(queue.Spin)
	_, err = pinned(j.B, func() (struct{}, error) {
		first := j.PeerSalt
		for _, n := range []uint64{j.Warm, j.N} {
			if err := receive(there, first, n); err != nil {
				return struct{}{}, err
			}
			first += n
			if err := back.Put(ctx, first); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

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
