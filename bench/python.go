package main

import (
	"context"
	"iter"
	"time"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// pythonRows measure ours beside what Python's multiprocessing has for the same.
func pythonRows() []Row {
	const hundredth = 0.01
	row := func(name, about string, n uint64, goal float64, ours Side, ref Reference) Row {
		return Row{
			Name: name, About: about, N: n, Warm: n / 10, Goal: goal, Ours: ours, Reference: ref,
			Place: OneCPU, Concurrency: "1 process",
		}
	}
	python := func(what, source, kind string) Reference {
		return Reference{Name: "Python, " + what, Source: source, Kind: kind}
	}
	set := row("state/python/set", "Set of a key of a state.Map", 5_000, hundredth, measureKeys(true), python("Manager().dict()", "python_state.py", "set"))
	get := row("state/python/get", "Get of a key of a state.Map", 5_000, hundredth, measureKeys(false), python("Manager().dict()", "python_state.py", "get"))
	for _, r := range []*Row{&set, &get} {
		r.Capacity, r.CapacityOf, r.Payload = 1_000, "keys", "every value"
	}
	value := row("state/python/value", "Update of a state.Value: an addition under its lock", 50_000, hundredth, measureLockedAdd, python("Value and its lock", "python_state.py", "value"))
	value.Payload = "the sum"
	add := row("state/python/add", "state.Add to a state.Value: the addition for which Python has the lock", 50_000, hundredth, measureValueAdd, python("Value and its lock", "python_state.py", "value"))
	add.Payload = "the sum"
	array := row("state/python/array", "load of an element of a state.Array, and store to it", 50_000, hundredth, measureVisits, python("Array", "python_state.py", "array"))
	array.Capacity, array.CapacityOf, array.Payload = 1_000, "elements of 8 bytes", "every element"

	pipe := row("pipe/python", "round trip of 64 bytes through a queue.Pipe, both sides spinning", 20_000, hundredth, measurePipe(queue.Spin), python("Pipe", "python_pipe.py", ""))
	pipe.Place, pipe.Capacity, pipe.Payload, pipe.Concurrency = TwoCPUs, 16, "64 bytes, a word checked at both ends", "1 caller, 1 echo"

	const fiftieth = 0.02
	call := row("pool/python/call", "calls of an empty task, one after the other, by two workers", 5_000, 0, measureTasks(callEach), python("Pool.apply", "python_pool.py", "call"))
	many := row("pool/python/map", "Map of an empty task, one at a time to a worker, by two workers", 20_000, fiftieth, measureTasks(mapAll(pool.Chunk(1))), python("Pool.imap", "python_pool.py", "map"))
	chunks := row("pool/python/chunks", "MapSlice of an empty task, in chunks, by two workers, of the same slice of a million over and over: a slice in, a slice out, as lists in Python", 5_000_000, fiftieth, measureSlices, python("Pool.map", "python_pool.py", "chunks"))
	chunks.Warm, chunks.Capacity, chunks.CapacityOf = 3_000_000, 1_000_000, "inputs in a slice"
	executor := row("pool/python/executor", "Map of an empty task, one at a time to a worker, by two workers", 20_000, fiftieth, measureTasks(mapAll(pool.Chunk(1))), python("ProcessPoolExecutor.map", "python_pool.py", "executor"))
	rows := []Row{set, get, value, add, array, pipe}
	for _, r := range []Row{call, many, chunks, executor} {
		r.Place, r.Workers, r.Payload, r.Concurrency = Free, 2, "uint64, its complement back, checked", "1 caller, 2 workers"
		rows = append(rows, r)
	}
	return rows
}

// measureKeys measures calls of a Map whose keys are numbers, one after the other.
func measureKeys(set bool) Side {
	return func(_ context.Context, j Job) (float64, error) {
		return alone(j, func(seg *shm.Segment) (time.Duration, error) {
			m, err := state.NewMap[uint64, uint64](seg)
			if err != nil {
				return 0, err
			}
			for k := range j.Capacity {
				if err := m.Set(k, j.Salt+k); err != nil {
					return 0, err
				}
			}
			i := uint64(0)
			run := func(n uint64) error {
				for range n {
					k := i % j.Capacity
					if set {
						if err := m.Set(k, j.Salt+i); err != nil {
							return err
						}
					} else {
						v, _, err := m.Get(k)
						if err != nil {
							return err
						}
						expect(v, j.PeerSalt+k, "reader")
					}
					i++
				}
				return nil
			}
			return timed(j, run, func() {
				last := i - 1
				v, _, _ := m.Get(last % j.Capacity) // an error leaves the zero, which is not expected
				if set {
					expect(v, j.PeerSalt+last, "reader")
				}
			})
		})
	}
}

func measureLockedAdd(ctx context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		v, err := state.NewValue(seg, j.Salt)
		if err != nil {
			return 0, err
		}
		add := func(x *uint64) error {
			*x += 3
			return nil
		}
		run := func(n uint64) error {
			for range n {
				if err := v.Update(ctx, add); err != nil {
					return err
				}
			}
			return nil
		}
		return timed(j, run, func() {
			sum, _ := v.Load() // an error leaves the zero, which is not expected
			expect(sum, j.PeerSalt+3*(j.Warm+j.N), "adder")
		})
	})
}

func measureVisits(_ context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		a, err := state.NewArray[uint64](seg, int(j.Capacity))
		if err != nil {
			return 0, err
		}
		if err := a.Fill(j.Salt); err != nil {
			return 0, err
		}
		i := uint64(0)
		run := func(n uint64) error {
			for range n {
				at := int(i % j.Capacity)
				x, err := a.Load(at)
				if err != nil {
					return err
				}
				expect(x, j.PeerSalt+i/j.Capacity, "walker")
				if err := a.Store(at, x+1); err != nil {
					return err
				}
				i++
			}
			return nil
		}
		return timed(j, run, func() {})
	})
}

// tasks has a pool do n tasks, whose inputs begin at a number.
type tasks func(ctx context.Context, p *pool.Pool, j Job, first, n uint64) error

func callEach(ctx context.Context, p *pool.Pool, j Job, first, n uint64) error {
	for i := first; i != first+n; i++ {
		got, err := complement.Call(ctx, p, j.Salt+i)
		if err != nil {
			return err
		}
		expect(got, ^(j.PeerSalt + i), "caller")
	}
	return nil
}

func mapAll(opts ...pool.MapOption) tasks {
	return func(ctx context.Context, p *pool.Pool, j Job, first, n uint64) error {
		i := first
		for got, err := range complement.Map(ctx, p, words(j.Salt+first, n), opts...) {
			if err != nil {
				return err
			}
			expect(got, ^(j.PeerSalt + i), "caller")
			i++
		}
		expect(i, first+n, "caller, how many")
		return nil
	}
}

func mapSlice(ctx context.Context, p *pool.Pool, j Job, first, n uint64) error {
	return mapSliceOf(ctx, p, j, first, numbered(j.Salt+first, n))
}

// numbered are n inputs, one higher than the other, from first on.
func numbered(first, n uint64) []uint64 {
	in := make([]uint64, n)
	for i := range in {
		in[i] = first + uint64(i)
	}
	return in
}

// mapSliceOf is mapSlice of inputs that are there, those from first on.
func mapSliceOf(ctx context.Context, p *pool.Pool, j Job, first uint64, in []uint64) error {
	all, err := complement.MapSlice(ctx, p, in)
	if err != nil {
		return err
	}
	for i, got := range all {
		expect(got, ^(j.PeerSalt + first + uint64(i)), "caller")
	}
	expect(uint64(len(all)), uint64(len(in)), "caller, how many")
	return nil
}

// measureSlices measures MapSlice of a slice that is there before. All that is measured but the calls is a comparison of the results, in both languages as
// quick as it can be.
func measureSlices(ctx context.Context, j Job) (float64, error) {
	in := numbered(j.Salt, j.Capacity)
	return measureTasksIn(ctx, j, func(ctx context.Context, p *pool.Pool, j Job, _, n uint64) error {
		for n > 0 {
			some := min(n, j.Capacity)
			if err := mapSliceOf(ctx, p, j, 0, in[:some]); err != nil {
				return err
			}
			n -= some
		}
		return nil
	})
}

// words are n numbers from first on.
func words(first, n uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for i := range n {
			if !yield(first + i) {
				return
			}
		}
	}
}

// measureTasks measures tasks in as many workers as the job says.
func measureTasks(do tasks) Side {
	return func(ctx context.Context, j Job) (float64, error) { return measureTasksIn(ctx, j, do) }
}

func measureTasksIn(ctx context.Context, j Job, do tasks, opts ...pool.Option) (float64, error) {
	p, err := pool.New(ctx, append([]pool.Option{pool.Workers(int(j.Workers))}, opts...)...)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	if err := do(ctx, p, j, 0, j.Warm); err != nil {
		return 0, err
	}
	begin := time.Now()
	err = do(ctx, p, j, j.Warm, j.N)
	return j.per(time.Since(begin)), err
}
