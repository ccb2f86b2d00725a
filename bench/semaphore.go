package main

import (
	"context"

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
	s, err := newStage(j, 1<<16)
	if err != nil {
		return 0, err
	}
	m, err := sync.NewSemaphore(s.seg, 1, shm.Named("semaphore"))
	if err != nil {
		return 0, err
	}
	try := func() (bool, error) { return m.TryAcquire(1) }
	return s.adds(ctx, owner, try, func(counter *uint64, n uint64) error { return addWithPermit(ctx, m, counter, n) })
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
