package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// message is what goes through a pipe in a round trip.
type message [8]uint64

// large is how many bytes a large message has.
const large = 1 << 20

// pipeRows measure pipes.
func pipeRows() []Row {
	spinning := Row{
		Name: "pipe/pingpong", About: "round trip of 64 bytes through a queue.Pipe, both sides spinning",
		N: 500_000, Warm: 100_000, Capacity: 16, Goal: 2,
		Place: TwoCPUs, Payload: "64 bytes, a word checked at both ends", Concurrency: "1 caller, 1 echo",
		Ours:      measurePipe(queue.Spin),
		Reference: Reference{Name: "C, two cache lines, polled", Source: "pingpong.c"},
	}
	parked := spinning
	parked.Name, parked.About = "pipe/pingpong/parked/one-cpu", "the same, each side asleep until the other's Send"
	parked.N, parked.Warm, parked.Goal, parked.Place = 50_000, 2_000, 1.4, SameCPU
	parked.Ours, parked.Reference = measurePipe(queue.Park), Reference{Name: "C, raw futex, no spin", Source: "futex.c"}
	apart := parked
	apart.Name, apart.N, apart.Place = "pipe/pingpong/parked/two-cpus", 20_000, OwnCPUs
	const atMost = 1 / 0.8 // of the time: 0.8 of the bandwidth
	whole := Row{
		Name: "pipe/1MiB", About: "messages of 1 MiB through a queue.Pipe, by SendBytes and RecvInto: one copy in and one out",
		N: 4_000, Warm: 1_000, Capacity: 4 << 20, CapacityOf: "bytes", Goal: atMost,
		Place: TwoCPUs, Payload: "1 MiB, one word of each line added up", Concurrency: "1 sender, 1 receiver",
		Ours:      measureLarge,
		Reference: Reference{Name: "C, memcpy into shared memory and out", Source: "memcpy.c", Kind: fmt.Sprint(large, "+out")},
	}
	named := spinning
	named.Name, named.About = "pipe/ref", "round trip through a queue.Pipe of the Ref of a block of 1 MiB, in which the word is, against one of 8 bytes"
	named.N, named.Warm, named.Goal, named.Payload = 200_000, 50_000, 1, "a Ref of 16 bytes, a word of the block checked at both ends"
	named.Ours, named.Reference = measureEcho(refs, refEcho, queue.Spin), Reference{Name: "this pipe, 8 bytes", Go: measureEcho(bare, wordEcho, queue.Spin)}
	held := named
	held.Name, held.Goal = "pipe/ref/held", 0
	held.About = "the same, but each side looks the other's block up once, and not for each Ref: the line that the word of the block is in, and no name"
	held.Ours = measureEcho(heldRefs, heldEcho, queue.Spin)
	return []Row{spinning, parked, apart, whole, named, held}
}

// pipeJob is what the peer is told.
type pipeJob struct {
	Job
	End    queue.End
	Policy queue.Policy
}

// passOn is the peer's end of a pipe, which is left to it.
func passOn[S, R any](p *queue.Pipe[S, R]) (queue.End, error) {
	e, err := p.End()
	if err == nil {
		err = p.Close()
	}
	return e, err
}

func measurePipe(policy queue.Policy) Side { return measureEcho(messages, pipeEcho, policy) }

// A carrier is how one side has a word travel as a T, and finds it in one that came.
type carrier[T any] struct {
	pack   func(t *T, v uint64)
	unpack func(t *T) (uint64, error)
}

// messages carry a word as the first of a message.
func messages(*shm.Segment) (carrier[message], error) {
	return carrier[message]{func(m *message, v uint64) { m[0] = v }, func(m *message) (uint64, error) { return m[0], nil }}, nil
}

// bare words carry themselves.
func bare(*shm.Segment) (carrier[uint64], error) {
	return carrier[uint64]{func(w *uint64, v uint64) { *w = v }, func(w *uint64) (uint64, error) { return *w, nil }}, nil
}

// refs carry the name of a block of the sender's, in which the word is.
func refs(seg *shm.Segment) (carrier[shm.Ref], error) {
	mine, err := seg.Alloc(large)
	if err != nil {
		return carrier[shm.Ref]{}, err
	}
	pack := func(r *shm.Ref, v uint64) {
		binary.LittleEndian.PutUint64(mine.Bytes(), v)
		*r = mine.Ref()
	}
	unpack := func(r *shm.Ref) (uint64, error) {
		b, err := seg.Block(*r)
		if err != nil {
			return 0, err
		}
		return binary.LittleEndian.Uint64(b.Bytes()), nil
	}
	return carrier[shm.Ref]{pack, unpack}, mine.Settle()
}

// heldRefs are refs of whose block the receiver is sure after the first.
func heldRefs(seg *shm.Segment) (carrier[shm.Ref], error) {
	c, err := refs(seg)
	var theirs []byte
	c.unpack = func(r *shm.Ref) (uint64, error) {
		if theirs == nil {
			b, err := seg.Block(*r)
			if err != nil {
				return 0, err
			}
			theirs = b.Bytes()
		}
		return binary.LittleEndian.Uint64(theirs), nil
	}
	return c, err
}

// measureEcho measures round trips of what carries a word.
func measureEcho[T any](carriers func(*shm.Segment) (carrier[T], error), echo *proc.Function[pipeJob], policy queue.Policy) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		p, err := newPair(j, 4*large)
		if err != nil {
			return 0, err
		}
		c, err := carriers(p.seg)
		if err != nil {
			return 0, err
		}
		mine, theirs, err := queue.NewPipe[T, T](p.seg, int(j.Capacity))
		if err != nil {
			return 0, err
		}
		mine.SetPolicy(policy)
		end, err := passOn(theirs)
		if err != nil {
			return 0, err
		}
		if err := begin(ctx, p, echo, pipeJob{j, end, policy}); err != nil {
			return 0, err
		}
		ctx = context.WithoutCancel(ctx)
		v, err := placed(j, j.A, func() (float64, error) {
			var m T // once: it escapes to pack
			return eachTrip(j, func(v uint64) (err error) {
				c.pack(&m, v)
				if err = mine.Send(ctx, m); err != nil {
					return err
				}
				if m, err = mine.Recv(ctx); err != nil {
					return err
				}
				got, err := c.unpack(&m)
				expect(got, v, "caller")
				return err
			})
		})
		return v, p.finish(ctx, err)
	}
}

// eachTrip measures a round trip, for each word of a job.
func eachTrip(j Job, trip func(v uint64) error) (float64, error) {
	begin := time.Now()
	for i := range j.Warm + j.N {
		if i == j.Warm {
			begin = time.Now()
		}
		if err := trip(j.Salt + i); err != nil {
			return 0, err
		}
	}
	return j.per(time.Since(begin)), nil
}

var (
	pipeEcho = echoOf("bench/pipe/echo", messages)
	wordEcho = echoOf("bench/pipe/echo/word", bare)
	refEcho  = echoOf("bench/pipe/echo/ref", refs)
	heldEcho = echoOf("bench/pipe/echo/held", heldRefs)
)

// echoOf is the other side of measureEcho.
func echoOf[T any](name string, carriers func(*shm.Segment) (carrier[T], error)) *proc.Function[pipeJob] {
	return proc.Func(name, func(ctx context.Context, j pipeJob) error {
		seg, err := attached(ctx)
		if err != nil {
			return err
		}
		c, err := carriers(seg)
		if err != nil {
			return err
		}
		p, err := queue.PipeFrom[T, T](seg, j.End)
		if err != nil {
			return err
		}
		p.SetPolicy(j.Policy)
		ctx = context.WithoutCancel(ctx)
		_, err = placed(j.Job, j.B, func() (struct{}, error) {
			var m T
			for i := range j.Warm + j.N {
				var err error
				if m, err = p.Recv(ctx); err != nil {
					return struct{}{}, err
				}
				v, err := c.unpack(&m)
				if err != nil {
					return struct{}{}, err
				}
				expect(v, j.PeerSalt+i, "echo")
				c.pack(&m, v)
				if err := p.Send(ctx, m); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		return err
	})
}

func measureLarge(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, 128<<20)
	if err != nil {
		return 0, err
	}
	mine, theirs, err := queue.NewPipe[[]byte, uint64](p.seg, int(j.Capacity/large))
	if err != nil {
		return 0, err
	}
	mine.SetPolicy(queue.Spin)
	end, err := passOn(theirs)
	if err != nil {
		return 0, err
	}
	if err := begin(ctx, p, largeReceiver, pipeJob{j, end, queue.Spin}); err != nil {
		return 0, err
	}
	source := make([]byte, large)
	for k := uint64(1); k < large/64; k++ {
		binary.LittleEndian.PutUint64(source[64*k:], k)
	}
	v, err := placed(j, j.A, func() (float64, error) {
		begin := time.Now()
		for i := range j.Warm + j.N {
			binary.LittleEndian.PutUint64(source, j.Salt+i)
			if err := mine.SendBytes(ctx, source); err != nil {
				return 0, err
			}
			if i+1 == j.Warm || i+1 == j.Warm+j.N { // all that was sent is received
				last, err := mine.Recv(ctx)
				if err != nil {
					return 0, err
				}
				expect(last, j.Salt+i, "sender")
				if i+1 == j.Warm {
					begin = time.Now()
				}
			}
		}
		return j.per(time.Since(begin)), nil
	})
	return v, p.finish(ctx, err)
}

var largeReceiver = proc.Func("bench/pipe/large", func(ctx context.Context, j pipeJob) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	p, err := queue.PipeFrom[uint64, []byte](seg, j.End)
	if err != nil {
		return err
	}
	p.SetPolicy(j.Policy)
	const lines = uint64(large / 64)
	buffer := make([]byte, large)
	_, err = placed(j.Job, j.B, func() (struct{}, error) {
		for i := range j.Warm + j.N {
			if _, err := p.RecvInto(ctx, buffer); err != nil {
				return struct{}{}, err
			}
			expect(firstWords(buffer), j.PeerSalt+i+lines*(lines-1)/2, "receiver")
			if i+1 == j.Warm || i+1 == j.Warm+j.N {
				if err := p.Send(ctx, j.PeerSalt+i); err != nil {
					return struct{}{}, err
				}
			}
		}
		return struct{}{}, nil
	})
	return err
})
