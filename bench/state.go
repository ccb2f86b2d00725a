package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// stateRows measure values that processes share, in one process: nobody else is at them.
func stateRows() []Row {
	one := Row{N: 50_000_000, Warm: 5_000_000, Place: OneCPU, Concurrency: "1 process"}
	load := one
	load.Name, load.About = "state/value/load", "load of a state.Value of 8 bytes"
	load.Payload, load.Goal = "the value", 1
	load.Ours, load.Reference = measureValueLoad, limit(2, "2 ns")

	add := one
	add.Name, add.About = "state/value/add", "state.Add to a Value of 8 bytes"
	add.Payload, add.Goal = "the sum", 1.2
	add.Ours, add.Reference = measureValueAdd, Reference{Name: "Go, Add of atomic.Uint64", Go: measureAtomicAdd}

	element := one
	element.Name, element.About = "state/array/element", "load of an element, whose index the one before says, and store to it"
	element.Payload, element.Goal = "the path through the array", 1.5
	element.Capacity, element.CapacityOf = 1<<12, "elements of 8 bytes"
	element.Ours, element.Reference = measureArray, Reference{Name: "Go, the same in a slice", Go: measureSlice}

	each := one
	each.Name, each.About = "state/array/all", "an element of those that All of a state.Array yields"
	each.Payload, each.Goal = "the sum", 1.5
	each.Capacity, each.CapacityOf = 1<<12, "elements of 8 bytes"
	each.Ours, each.Reference = measureArrayAll, Reference{Name: "Go, range over a slice", Go: measureSliceAll}

	at := one
	at.Name, at.About = "state/list/load", "load of an element of a state.List, whose index the one before says"
	at.Payload, at.Goal = "the path through the list", 1
	at.Capacity, at.CapacityOf = 1<<12, "elements of 8 bytes"
	at.Ours, at.Reference = measureListLoad, limit(8, "8 ns")

	queue := one
	queue.N, queue.Warm = 5_000_000, 500_000
	queue.Name, queue.About = "state/list/queue", "append to a state.List and pop at the front, a pair"
	queue.Payload = "what is popped"
	queue.Capacity, queue.CapacityOf = 1<<6, "elements of 8 bytes"
	queue.Ours, queue.Reference = measureListQueue, Reference{Name: "Go, the same with a slice under a sync.Mutex", Go: measureSliceQueue}
	return []Row{load, add, element, each, at, queue}
}

// alone measures n calls in a segment that nobody else has.
func alone(j Job, f func(seg *shm.Segment) (time.Duration, error)) (float64, error) {
	return pinned(j.A, func() (float64, error) {
		seg, err := shm.Anonymous(1 << 20)
		if err != nil {
			return 0, err
		}
		defer seg.Close()
		elapsed, err := f(seg)
		return j.per(elapsed), err
	})
}

func measureValueLoad(_ context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		v, err := state.NewValue(seg, j.Salt)
		if err != nil {
			return 0, err
		}
		sum := uint64(0)
		run := func(n uint64) error {
			for range n {
				x, err := v.Load()
				if err != nil {
					return err
				}
				sum += x
			}
			return nil
		}
		return timed(j, run, func() { expect(sum, (j.Warm+j.N)*j.PeerSalt, "reader") })
	})
}

// timed runs the warm-up, measures the rest, and has the payload checked.
func timed(j Job, run func(n uint64) error, check func()) (time.Duration, error) {
	if err := run(j.Warm); err != nil {
		return 0, err
	}
	begin := time.Now()
	err := run(j.N)
	elapsed := time.Since(begin)
	check()
	return elapsed, err
}

func measureValueAdd(_ context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		v, err := state.NewValue(seg, j.Salt)
		if err != nil {
			return 0, err
		}
		last := j.Salt
		run := func(n uint64) (err error) {
			for range n {
				if last, err = state.Add(v, 3); err != nil {
					return err
				}
			}
			return nil
		}
		return timed(j, run, func() { expect(last, j.PeerSalt+3*(j.Warm+j.N), "adder") })
	})
}

func measureAtomicAdd(_ context.Context, j Job) (float64, error) {
	return alone(j, func(*shm.Segment) (time.Duration, error) {
		v := new(atomic.Uint64)
		v.Store(j.Salt)
		last := j.Salt
		run := func(n uint64) error {
			for range n {
				last = v.Add(3)
			}
			return nil
		}
		return timed(j, run, func() { expect(last, j.PeerSalt+3*(j.Warm+j.N), "adder") })
	})
}

// hop is where the path goes on that was at element i and found x there. Elements begin at 0 and count the visits, so
// the path does not repeat itself; it depends on all that was stored.
func hop(i, x, mask uint64) uint64 { return (i*5 + x + 1) & mask }

func measureArray(_ context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		a, err := state.NewArray[uint64](seg, int(j.Capacity))
		if err != nil {
			return 0, err
		}
		i, mask := j.Salt&(j.Capacity-1), j.Capacity-1
		run := func(n uint64) error {
			for range n {
				x, err := a.Load(int(i))
				if err != nil {
					return err
				}
				if err := a.Store(int(i), x+1); err != nil {
					return err
				}
				i = hop(i, x, mask)
			}
			return nil
		}
		return timed(j, run, func() { expect(i|j.Salt<<16, walked(j)|j.PeerSalt<<16, "walker") })
	})
}

func measureSlice(_ context.Context, j Job) (float64, error) {
	return alone(j, func(*shm.Segment) (time.Duration, error) {
		a := make([]uint64, j.Capacity)
		i, mask := j.Salt&(j.Capacity-1), j.Capacity-1
		run := func(n uint64) error {
			for range n {
				x := a[i]
				a[i] = x + 1
				i = hop(i, x, mask)
			}
			return nil
		}
		return timed(j, run, func() { expect(i|j.Salt<<16, walked(j)|j.PeerSalt<<16, "walker") })
	})
}

// walked is where the path ends that begins where the receiver's payload says.
func walked(j Job) uint64 {
	a := make([]uint64, j.Capacity)
	i, mask := j.PeerSalt&(j.Capacity-1), j.Capacity-1
	for range j.Warm + j.N {
		x := a[i]
		a[i] = x + 1
		i = hop(i, x, mask)
	}
	return i
}

func measureArrayAll(_ context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		a, err := state.NewArray[uint64](seg, int(j.Capacity))
		if err != nil {
			return 0, err
		}
		if err := a.Fill(j.Salt); err != nil {
			return 0, err
		}
		sum := uint64(0)
		run := func(n uint64) error {
			for range n / j.Capacity {
				for _, x := range a.All() {
					sum += x
				}
			}
			return nil
		}
		return timed(j, run, func() { expect(sum, summed(j), "reader") })
	})
}

func measureSliceAll(_ context.Context, j Job) (float64, error) {
	return alone(j, func(*shm.Segment) (time.Duration, error) {
		a := make([]uint64, j.Capacity)
		for i := range a {
			a[i] = j.Salt
		}
		sum := uint64(0)
		run := func(n uint64) error {
			for range n / j.Capacity {
				for _, x := range a {
					sum += x
				}
			}
			return nil
		}
		return timed(j, run, func() { expect(sum, summed(j), "reader") })
	})
}

// summed is what whole passes over an array of the receiver's payload come to.
func summed(j Job) uint64 { return (j.Warm/j.Capacity + j.N/j.Capacity) * j.Capacity * j.PeerSalt }

// stride says where the path goes on from element i of a list: all are met, and none comes twice before.
func stride(i, mask uint64) uint64 { return (i*5 + 1) & mask }

func measureListLoad(_ context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		l, err := state.NewList[uint64](seg)
		if err != nil {
			return 0, err
		}
		mask := j.Capacity - 1
		for i := range j.Capacity {
			if err := l.Append(stride(i, mask)); err != nil {
				return 0, err
			}
		}
		i := j.Salt & mask
		run := func(n uint64) (err error) {
			for range n {
				if i, err = l.Load(int(i)); err != nil {
					return err
				}
			}
			return nil
		}
		return timed(j, run, func() {
			want := j.PeerSalt & mask
			for range (j.Warm + j.N) & mask {
				want = stride(want, mask)
			}
			expect(i, want, "walker")
		})
	})
}

func measureListQueue(_ context.Context, j Job) (float64, error) {
	return alone(j, func(seg *shm.Segment) (time.Duration, error) {
		l, err := state.NewList[uint64](seg)
		if err != nil {
			return 0, err
		}
		return queued(j, func(x uint64) error { return l.Append(x) }, l.PopFront)
	})
}

func measureSliceQueue(_ context.Context, j Job) (float64, error) {
	return alone(j, func(*shm.Segment) (time.Duration, error) {
		var mu sync.Mutex
		var all []uint64
		push := func(x uint64) error {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, x)
			return nil
		}
		pop := func() (uint64, error) {
			mu.Lock()
			defer mu.Unlock()
			x := all[0]
			all = all[1:]
			return x, nil
		}
		return queued(j, push, pop)
	})
}

// queued has as many elements in a queue as the row says, and measures pairs.
func queued(j Job, push func(uint64) error, pop func() (uint64, error)) (time.Duration, error) {
	in, out := j.Salt, j.Salt
	for range j.Capacity {
		if err := push(in); err != nil {
			return 0, err
		}
		in++
	}
	run := func(n uint64) error {
		for range n {
			if err := push(in); err != nil {
				return err
			}
			in++
			x, err := pop()
			if err != nil {
				return err
			}
			expect(x, out, "popper")
			out++
		}
		return nil
	}
	return timed(j, run, func() { expect(out, j.PeerSalt+j.Warm+j.N, "popper") })
}
