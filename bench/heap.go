package main

import (
	"context"
	"errors"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// heapRows measure the heap of a segment.
func heapRows() []Row {
	alone := Row{
		Name:  "shm/heap/64B",
		About: "Alloc and Free of a block of 64 bytes",
		N:     5_000_000, Warm: 500_000, Goal: 0.5,
		Place: OneCPU, Payload: "a word in each block", Concurrency: "1 process at work, 1 attached and idle",
		Ours:      measureHeapAlone,
		Reference: Reference{Name: "C++, Boost managed_shared_memory", Source: "boost_allocate.cc", Kind: "alone"},
	}
	both := alone
	both.Name += "/2-processes"
	both.About = "the same, two processes at a time; elapsed time by what both did"
	both.Place, both.Concurrency = TwoCPUs, "2 processes"
	both.Ours = measureHeapBoth
	both.Reference.Kind = "both"
	return []Row{alone, both}
}

// allocating is side B of both rows: it allocates and frees until side A is through, or does nothing.
var allocating = proc.Func("bench/heap/allocating", func(ctx context.Context, j Job) error {
	seg, a, t, err := openStage(ctx)
	if err != nil {
		return err
	}
	if err := t.give(); err != nil {
		return err
	}
	if j.Workers == 0 {
		return t.await(ctx)
	}
	_, err = pinned(j.B, func() (struct{}, error) {
		for i := uint64(1); a.over.Load() == 0; i++ {
			if err := useBlock(seg, i+j.Salt, i+j.PeerSalt, "rival"); err != nil {
				return struct{}{}, err
			}
			if i%64 == 0 {
				a.counted.Store(i)
			}
		}
		return struct{}{}, nil
	})
	return err
})

// useBlock writes a word to a new block, which must still be there when the block is given back.
func useBlock(seg *shm.Segment, word, want uint64, who string) error {
	b, err := seg.Alloc(64)
	if err != nil {
		return err
	}
	p := wordOf(b.Bytes())
	p.Store(word)
	expect(p.Load(), want, who)
	return b.Free()
}

func measureHeapAlone(ctx context.Context, j Job) (float64, error) {
	j.Workers = 0
	return measureHeap(ctx, j)
}

func measureHeapBoth(ctx context.Context, j Job) (float64, error) {
	j.Workers = 1
	return measureHeap(ctx, j)
}

func measureHeap(ctx context.Context, j Job) (float64, error) {
	s, err := newStage(j, 1<<20)
	if err != nil {
		return 0, err
	}
	if err := s.meet(ctx, allocating); err != nil {
		return 0, err
	}
	v, err := pinned(j.A, func() (float64, error) {
		for i := range j.Warm {
			if err := useBlock(s.seg, i+j.Salt, i+j.PeerSalt, "caller"); err != nil {
				return 0, err
			}
		}
		before, begin := s.arena.counted.Load(), time.Now()
		for i := range j.N {
			if err := useBlock(s.seg, i+j.Salt, i+j.PeerSalt, "caller"); err != nil {
				return 0, err
			}
		}
		elapsed := time.Since(begin)
		done := s.arena.counted.Load() - before
		return float64(elapsed) / float64(j.N+done), nil
	})
	s.arena.over.Store(1)
	return v, s.finish(ctx, errors.Join(err, s.turns.give(), shm.Check(s.seg)))
}
