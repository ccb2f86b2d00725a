package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
)

// lifeRows measure how long it takes from the kernel's proof of a worker's death until the pool knows, its task has failed, or is
// running again; and what a pool costs that has nothing to do.
func lifeRows() []Row {
	var all []Row
	for _, memory := range []struct {
		name  string
		bytes uint64
		n     uint64
	}{{"0", 0, 60}, {"256MiB", 256 << 20, 20}} {
		row := Row{
			N: memory.n, Unit: "ms", Capacity: memory.bytes, CapacityOf: "bytes of the worker's own",
			Place: Free, Payload: "none", Concurrency: "1 worker killed, 1 caller, 1 observer, every CPU busy",
			Figures: []Figure{{Name: "p50"}, {Name: "p99", Goal: 1}, {Name: "max"}},
		}
		for _, what := range []struct {
			name, about string
			limit       float64
			meter       func(*deaths) []time.Duration
			retry       int
		}{
			{"known", "until the pool tells of it", 10, func(d *deaths) []time.Duration { return d.known }, 0},
			{"failed", "until the call has returned", 50, func(d *deaths) []time.Duration { return d.back }, 0},
			{"again", "until the task has begun in another process, a spare", 50, func(d *deaths) []time.Duration { return d.back }, 1},
		} {
			r := row
			r.Name = "pool/death/" + what.name + "/" + memory.name
			r.About = "a worker is killed amid a task: from the proof of its death " + what.about
			r.Reference = limit(what.limit, fmt.Sprintf("%.0f ms", what.limit))
			r.Meter = measureDeaths(what.retry, what.meter)
			all = append(all, r)
		}
	}
	return append(all, Row{
		Name: "pool/idle", About: "CPU time of parent and 4 workers in each second, from one second after the last call on", Goal: 1,
		N: 3, Unit: "ms/s", Place: Free, Payload: "none", Concurrency: "4 workers, idle",
		Ours: measureRest, Reference: limit(2, "2 ms/s, a fifth of a percent"),
	})
}

// vigil is the task: it takes the memory, says that it holds it, and goes on for ever; the second time it returns at once when it began.
var vigil = pool.Task("bench/pool/vigil", func(_ context.Context, v vigilArgs) (time.Duration, error) {
	began := monotonic()
	if _, err := os.Stat(v.Place); err == nil {
		return began, nil
	}
	memory := make([]byte, v.Bytes)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	if err := os.WriteFile(v.Place, nil, 0o600); err != nil {
		return 0, err
	}
	for {
		time.Sleep(time.Hour)
		runtime.KeepAlive(memory)
	}
})

type vigilArgs struct {
	Place string
	Bytes uint64
}

// deaths is what one run is about. All times are from the proof on.
type deaths struct {
	pool  *pool.Pool
	bytes uint64
	dir   string
	lost  chan time.Duration // when the pool told of a death

	known, back []time.Duration
}

func measureDeaths(retry int, which func(*deaths) []time.Duration) Meter {
	return func(ctx context.Context, j Job) (Values, error) {
		dir, err := os.MkdirTemp("", "vigil")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		d := &deaths{bytes: j.Capacity, dir: dir, lost: make(chan time.Duration, 1)}
		d.pool, err = pool.New(ctx, pool.Workers(1), pool.Retry(retry), pool.Spares(retry), pool.OnEvent(func(e pool.Event) {
			if e.Kind == pool.WorkerLost {
				d.lost <- monotonic()
			}
		}))
		if err != nil {
			return nil, err
		}
		defer d.pool.Terminate()
		b, err := burner.Start(ctx, j)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		for i := range j.N {
			for d.pool.Stats().Spare < retry {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				time.Sleep(time.Millisecond)
			}
			if err := d.once(ctx, i); err != nil {
				return nil, err
			}
		}
		times := which(d)
		slices.Sort(times)
		ms := func(q float64) float64 { return quantile(times, q).Seconds() * 1e3 }
		return Values{"p50": ms(0.50), "p99": ms(0.99), "max": ms(1)}, nil
	}
}

// once has a worker begin the task, and kills it.
func (d *deaths) once(ctx context.Context, i uint64) error {
	args := vigilArgs{filepath.Join(d.dir, fmt.Sprint(i)), d.bytes}
	type answer struct {
		began, at time.Duration
		err       error
	}
	back := make(chan answer, 1)
	go func() {
		began, err := vigil.Call(ctx, d.pool, args)
		back <- answer{began, monotonic(), err}
	}()
	for _, err := os.Stat(args.Place); err != nil; _, err = os.Stat(args.Place) {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	pid := d.pool.Workers()[0].Pid
	proof, ready := make(chan observed, 1), make(chan struct{})
	go observe(pid, ready, proof)
	<-ready
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	lost, seen, got := <-d.lost, <-proof, <-back
	if seen.err != nil {
		return seen.err
	}
	at := got.began
	if at == 0 {
		var died *pool.WorkerDied
		if at = got.at; !errors.As(got.err, &died) {
			return fmt.Errorf("the call did not fail as it should: %w", got.err)
		}
	}
	d.known = append(d.known, max(lost-seen.at, 0))
	d.back = append(d.back, max(at-seen.at, 0))
	return nil
}

// measureRest returns the milliseconds of a second.
func measureRest(ctx context.Context, j Job) (float64, error) {
	p, err := pool.New(ctx, pool.Workers(4), pool.Waiting(ring.Adaptive), pool.Process(proc.GOMAXPROCS(2)))
	if err != nil {
		return 0, err
	}
	defer p.Shutdown(context.Background())
	for i := range uint64(20_000) {
		if _, err := complement.Call(ctx, p, j.Salt+i); err != nil {
			return 0, err
		}
	}
	pids := []int{os.Getpid()}
	for _, w := range p.Workers() {
		pids = append(pids, w.Pid)
	}
	time.Sleep(time.Second)
	before, err := consumed(pids)
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Duration(j.N) * time.Second)
	after, err := consumed(pids)
	return (after - before).Seconds() * 1e3 / float64(j.N), err
}

// consumed is the CPU time of the processes, by the clocks that the kernel keeps for them.
func consumed(pids []int) (sum time.Duration, err error) {
	for _, pid := range pids {
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
			return 0, os.NewSyscallError("clock_gettime", err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}
