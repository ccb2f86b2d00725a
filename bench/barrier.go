package main

import (
	"context"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

func barrierRows() []Row {
	return []Row{{
		Name:  "sync/barrier",
		About: "one phase of a sync.Barrier of two processes, both polling, against a round trip of the limit",
		N:     500_000, Warm: 50_000, Goal: 2.0,
		Place: TwoCPUs, Payload: "who came first, and in one of 64 phases each one's count, checked by the other", Concurrency: "2 processes, 1 party each",
		Ours:      measureBarrier,
		Reference: Reference{Name: "C, two cache lines, polled", Source: "pingpong.c"},
	}}
}

var barrierParty = proc.Func("bench/barrier/party", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
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
	_, err = pinned(j.B, func() (struct{}, error) {
		return struct{}{}, phases(ctx, b, &a.at, &a.counted, 0, j.Warm+j.N, j)
	})
	return err
})

// counter is a word that one party stores, and the other loads a phase later.
type counter interface {
	Load() uint64
	Store(uint64)
}

// exchange is in how many phases the parties show each other their counts. That is two lines more to move, of which the
// limit has none.
const exchange = 64

// phases goes through n phases. What was stored before one of them is what the other party finds after it; or what was
// stored for the next, if the other has gone on to it. The phase itself says who came first.
func phases[C counter](ctx context.Context, b *sync.Barrier, mine, other C, first, n uint64, j Job) error {
	for i := first; i != first+n; i++ {
		shows := i%exchange == 0
		if shows {
			mine.Store(i + j.Salt)
		}
		index, err := b.Wait(ctx)
		if err != nil {
			return err
		}
		if index < 0 || index > 1 {
			void(uint64(index), i, "party")
		}
		if !shows {
			continue
		}
		if got := other.Load() - j.PeerSalt; got != i && got != i+exchange {
			void(got, i, "party")
		}
	}
	return nil
}

func measureBarrier(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, 1<<16)
	if err != nil {
		return 0, err
	}
	b, err := sync.NewBarrier(p.seg, 2, shm.Named("barrier"))
	if err != nil {
		return 0, err
	}
	a, err := newArena(p.seg)
	if err != nil {
		return 0, err
	}
	if err := p.start(ctx, barrierParty); err != nil {
		return 0, err
	}
	v, err := pinned(j.A, func() (float64, error) {
		if err := phases(ctx, b, &a.counted, &a.at, 0, j.Warm, j); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := phases(ctx, b, &a.counted, &a.at, j.Warm, j.N, j)
		return j.per(time.Since(begin)), err
	})
	return v, p.finish(ctx, err)
}
