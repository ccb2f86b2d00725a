package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// semaphoreRows measure semaphores that nobody else wants.
func semaphoreRows() []Row {
	posix := Row{
		Name:  "sync/semaphore/uncontended",
		About: "acquire and release of a sync.Semaphore of one permit that nobody else wants",
		N:     5_000_000, Warm: 500_000, Goal: 1.0,
		Place: OneCPU, Payload: "a counter that it guards", Concurrency: "1 process at work, 1 attached and idle",
		Ours:      measureSemaphore,
		Reference: Reference{Name: "C, sem_t, process-shared", Source: "semaphore.c"},
	}
	boost := posix
	boost.Name += "/boost"
	boost.About = "the same against Boost's"
	boost.Reference = Reference{Name: "C++, boost::interprocess::interprocess_semaphore", Source: "boost_semaphore.cc"}
	return []Row{posix, boost}
}

// owner has the permit while side A tries in vain, so that it is proven to be shared, and is idle until A is done.
var owner = proc.Func("bench/semaphore/owner", func(ctx context.Context, _ Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	s, err := sync.OpenSemaphore(seg, "semaphore")
	if err != nil {
		return err
	}
	t, err := openTurns(seg)
	if err != nil {
		return err
	}
	if err := s.Acquire(ctx, 1); err != nil {
		return err
	}
	if err := t.pass(ctx); err != nil { // A tries
		return err
	}
	if err := s.Release(1); err != nil {
		return err
	}
	return t.pass(ctx) // A measures
})

func measureSemaphore(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, 1<<16)
	if err != nil {
		return 0, err
	}
	s, err := sync.NewSemaphore(p.seg, 1, shm.Named("semaphore"))
	if err != nil {
		return 0, err
	}
	t, err := newTurns(p.seg)
	if err != nil {
		return 0, err
	}
	if err := p.start(ctx, owner); err != nil {
		return 0, err
	}
	if err := t.await(ctx); err != nil {
		return 0, err
	}
	if got, err := s.TryAcquire(1); got || err != nil {
		return 0, fmt.Errorf("the semaphore is not shared: got it %v while the peer has it: %w", got, err)
	}
	if err := t.pass(ctx); err != nil {
		return 0, err
	}
	v, err := pinned(j.A, func() (float64, error) {
		counter := new(j.Salt)
		if err := addWithPermit(ctx, s, counter, j.Warm); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := addWithPermit(ctx, s, counter, j.N)
		elapsed := time.Since(begin)
		expect(*counter, j.PeerSalt+j.Warm+j.N, "holder")
		return j.per(elapsed), err
	})
	return v, p.finish(ctx, errors.Join(err, t.give()))
}

// addWithPermit adds n to the counter, one by one, each with the permit.
func addWithPermit(ctx context.Context, s *sync.Semaphore, counter *uint64, n uint64) error {
	for range n {
		if err := s.Acquire(ctx, 1); err != nil {
			return err
		}
		*counter++
		if err := s.Release(1); err != nil {
			return err
		}
	}
	return nil
}
