package main

import (
	"context"
	"errors"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// readersRow measures two processes that read one Map beside one that does.
func readersRow() Row {
	const throughput = 1.8 // that of one process
	return Row{
		Name:  "state/map/readers",
		About: "get of a key of a state.Map of a million, two processes at a time; elapsed time by what both did",
		N:     1_000_000, Warm: 100_000, Goal: 1 / throughput,
		Place: TwoCPUs, Payload: "every value", Concurrency: "2 processes",
		Ours:      measureReaders(2),
		Reference: Reference{Name: "Go, the same by one process", Go: measureReaders(1)},
	}
}

// reading is side B: it reads until side A is through, if the job has two who read.
var reading = proc.Func("bench/map/reading", func(ctx context.Context, j Job) error {
	seg, a, t, err := openStage(ctx)
	if err != nil {
		return err
	}
	m, err := state.OpenMap[uint64, uint64](seg, "map")
	if err != nil {
		return err
	}
	if err := readKeys(m, j, 0, j.Warm); err != nil {
		return err
	}
	if err := t.give(); err != nil {
		return err
	}
	if j.Workers < 2 {
		return t.await(ctx)
	}
	_, err = pinned(j.B, func() (struct{}, error) {
		const step = 64
		for i := j.N; a.over.Load() == 0; i += step {
			if err := readKeys(m, j, i, step); err != nil {
				return struct{}{}, err
			}
			a.counted.Store(i + step - j.N)
		}
		return struct{}{}, nil
	})
	return err
})

// readKeys looks n keys up, in an order of its own.
func readKeys(m *wordMap, j Job, from, n uint64) error {
	for k := from; k < from+n; k++ {
		i := mapKey(k) % j.pairs()
		v, _, err := m.Get(mapKey(i))
		if err != nil {
			return err
		}
		expect(v, i+j.PeerSalt, "reader")
	}
	return nil
}

// measureReaders is the time of a Get, by what that many processes did in it.
func measureReaders(readers uint64) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		j.Workers = readers
		s, err := newStage(j, int64(j.pairs())*64+1<<20)
		if err != nil {
			return 0, err
		}
		m, err := state.NewMap[uint64, uint64](s.seg, shm.Named("map"))
		if err != nil {
			return 0, err
		}
		if err := setAll(m, j); err != nil {
			return 0, err
		}
		if err := s.meet(ctx, reading); err != nil {
			return 0, err
		}
		v, err := pinned(j.A, func() (float64, error) {
			if err := readKeys(m, j, 0, j.Warm); err != nil {
				return 0, err
			}
			before, begin := s.arena.counted.Load(), time.Now()
			if err := readKeys(m, j, 0, j.N); err != nil {
				return 0, err
			}
			elapsed := time.Since(begin)
			return float64(elapsed) / float64(j.N+s.arena.counted.Load()-before), nil
		})
		s.arena.over.Store(1)
		return v, s.finish(ctx, errors.Join(err, s.turns.give()))
	}
}
