package main

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"time"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
)

// loadRows measure latencies at a fixed rate, which the sender keeps whatever the receiver does. They count from when an
// item was to be sent, not from when it was: who makes everybody wait is seen by everybody. (The mistake has a name,
// coordinated omission.) At a low rate the receiver is idle and may sleep between two items: what it takes to wake is in it.
func loadRows() []Row {
	const often, seldom = 10 * time.Microsecond, time.Millisecond
	load := Row{
		Name: "ring/spsc/latency/load", About: "from when a uint64 was to be pushed to when it was popped, one every 10 µs",
		N: 200_000, Warm: 20_000, Capacity: 1024, Figures: latencies(),
		Place: TwoCPUs, Payload: "uint64, each checked", Concurrency: "1 writer, 1 reader that waits as it comes",
		Meter:     measureRingLoad(often),
		Reference: Reference{Name: "Go, an OS pipe", GoMeter: measurePipeLoad(often)},
	}
	idle := load
	idle.Name, idle.About = "ring/spsc/latency/idle", "the same, one every millisecond: the reader sleeps meanwhile"
	idle.N, idle.Warm, idle.Meter = 1_000, 50, measureRingLoad(seldom)
	idle.Reference.GoMeter = measurePipeLoad(seldom)
	call := Row{
		Name: "pool/call/load", About: "from when a call of an empty task was to begin to its result, one every 20 µs, by one worker",
		N: 100_000, Warm: 10_000, Figures: latencies(),
		Place: CallerBound, Payload: "uint64, its complement back, checked", Concurrency: "1 caller, 1 worker that waits as it comes",
		Meter: measureCallLoad(2 * often),
	}
	calls := call
	calls.Name, calls.About = "pool/call/idle", "the same, one every millisecond: the worker sleeps meanwhile"
	calls.N, calls.Warm, calls.Meter = 1_000, 50, measureCallLoad(seldom)
	return []Row{load, idle, call, calls}
}

// A pacer says when each of many operations is to begin. Its clock is that of all processes, read without a call of the
// system.
type pacer struct {
	interval time.Duration
	origin   time.Time
	offset   time.Duration // of the shared clock at the origin
	first    time.Duration
}

func newPacer(interval time.Duration) *pacer {
	p := &pacer{interval: interval, origin: time.Now()}
	p.offset = ahead(monotonic, func() time.Duration { return time.Since(p.origin) })
	p.first = p.now() + interval
	return p
}

// ahead is how much later it is by the clock far than by the clock near. Who is taken off its CPU between two readings
// would be wrong by that time: of several, those count that stand closest together. (Cristian, 1989.)
func ahead(far, near func() time.Duration) (offset time.Duration) {
	closest := time.Duration(math.MaxInt64)
	for range 16 {
		before, there := near(), far()
		if apart := near() - before; apart < closest {
			closest, offset = apart, there-before-apart/2
		}
	}
	return offset
}

func (p *pacer) now() time.Duration { return p.offset + time.Since(p.origin) }

// due is when operation i is to begin.
func (p *pacer) due(i uint64) time.Duration { return p.first + time.Duration(i)*p.interval }

// await polls until it is time for operation i.
func (p *pacer) await(i uint64) time.Duration {
	due := p.due(i)
	for p.now() < due {
	}
	return due
}

// sendPaced sends when the receiver is to begin, and then each item when it is due.
func sendPaced(j Job, interval time.Duration, send func(v uint64) error) error {
	p := newPacer(interval)
	if err := send(uint64(p.first)); err != nil {
		return err
	}
	for i := range j.Warm + j.N {
		p.await(i)
		if err := send(j.Salt + i); err != nil {
			return err
		}
	}
	return nil
}

// receivePaced notes how late each item is, and sends the percentiles.
func receivePaced(j Job, interval time.Duration, receive func() (uint64, error), answer func(uint64) error) error {
	p := newPacer(interval)
	first, err := receive()
	if err != nil {
		return err
	}
	p.first = time.Duration(first)
	times := new(histogram)
	for i := range j.Warm + j.N {
		v, err := receive()
		if err != nil {
			return err
		}
		late := p.now() - p.due(i)
		expect(v, j.PeerSalt+i, "receiver")
		if i >= j.Warm {
			times.add(late)
		}
	}
	values := times.values()
	for _, f := range latencies() {
		if err := answer(math.Float64bits(values[f.Name])); err != nil {
			return err
		}
	}
	return nil
}

// percentiles are those that were measured as they come.
func percentiles(receive func() (uint64, error)) (Values, error) {
	v := Values{}
	for _, f := range latencies() {
		bits, err := receive()
		if err != nil {
			return nil, err
		}
		v[f.Name] = math.Float64frombits(bits)
	}
	return v, nil
}

// pacedJob is what the peer is told.
type pacedJob struct {
	Job      Job
	Interval time.Duration
}

var ringReceiver = proc.Func("bench/load/ring", func(ctx context.Context, j pacedJob) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	w, r, err := openRings(seg)
	if err != nil {
		return err
	}
	_, err = pinned(j.Job.B, func() (struct{}, error) {
		return struct{}{}, receivePaced(j.Job, j.Interval, func() (uint64, error) { return r.Pop(ctx) }, func(v uint64) error { return w.Push(ctx, v) })
	})
	return err
})

func measureRingLoad(interval time.Duration) Meter {
	return func(ctx context.Context, j Job) (Values, error) {
		p, err := newPair(j, 2*ringBytes(j.Capacity))
		if err != nil {
			return nil, err
		}
		w, r, err := makeRings(p.seg, j.Capacity, 8)
		if err != nil {
			return nil, err
		}
		if err := begin(ctx, p, ringReceiver, pacedJob{j, interval}); err != nil {
			return nil, err
		}
		v, err := pinned(j.A, func() (Values, error) {
			if err := sendPaced(j, interval, func(v uint64) error { return w.Push(ctx, v) }); err != nil {
				return nil, err
			}
			return percentiles(func() (uint64, error) { return r.Pop(ctx) })
		})
		return v, p.finish(ctx, err)
	}
}

// overPipe are words through a pipe.
func overPipe(r io.Reader, w io.Writer) (receive func() (uint64, error), send func(uint64) error) {
	in, out := make([]byte, 8), make([]byte, 8)
	return func() (uint64, error) {
			_, err := io.ReadFull(r, in)
			return binary.LittleEndian.Uint64(in), err
		}, func(v uint64) error {
			binary.LittleEndian.PutUint64(out, v)
			_, err := w.Write(out)
			return err
		}
}

var pipeReceiver = proc.Func("bench/load/pipe", func(ctx context.Context, j pacedJob) error {
	receive, answer := overPipe(proc.File(ctx, 0), proc.File(ctx, 1))
	_, err := pinned(j.Job.B, func() (struct{}, error) {
		return struct{}{}, receivePaced(j.Job, j.Interval, receive, answer)
	})
	return err
})

func measurePipeLoad(interval time.Duration) Meter {
	return func(ctx context.Context, j Job) (Values, error) {
		o, err := newOSPipes()
		if err != nil {
			return nil, err
		}
		child, err := pipeReceiver.Start(ctx, pacedJob{j, interval}, proc.Files(o.theirIn, o.theirOut))
		if err != nil {
			return nil, err
		}
		defer child.Close()
		if err := closeAll(o.theirIn, o.theirOut); err != nil {
			return nil, err
		}
		receive, send := overPipe(o.in, o.out)
		v, err := pinned(j.A, func() (Values, error) {
			if err := sendPaced(j, interval, send); err != nil {
				return nil, err
			}
			return percentiles(receive)
		})
		if ended := child.Wait(ctx); ended != nil {
			err = ended
		}
		return v, err
	}
}

func measureCallLoad(interval time.Duration) Meter {
	return func(ctx context.Context, j Job) (Values, error) {
		p, err := pool.New(ctx, pool.Workers(1), pool.Waiting(ring.Adaptive))
		if err != nil {
			return nil, err
		}
		v, err := pinned(j.A, func() (Values, error) {
			clock, times := newPacer(interval), new(histogram)
			for i := range j.Warm + j.N {
				due := clock.await(i)
				got, err := complement.Call(ctx, p, j.Salt+i)
				if err != nil {
					return nil, err
				}
				late := clock.now() - due
				expect(got, ^(j.PeerSalt + i), "caller")
				if i >= j.Warm {
					times.add(late)
				}
			}
			return times.values(), nil
		})
		if closed := p.Shutdown(ctx); err == nil {
			err = closed
		}
		return v, err
	}
}
