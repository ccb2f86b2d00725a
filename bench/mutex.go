package main

import (
	"context"
	gosync "sync"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// mutexRows measure locks that nobody else wants.
func mutexRows() []Row {
	uncontended := Row{
		Name:  "sync/mutex/uncontended",
		About: "lock and unlock of a sync.Mutex that nobody else wants",
		N:     5_000_000, Warm: 500_000, Goal: 1.0,
		Place: OneCPU, Payload: "a counter under the lock", Concurrency: "1 process at work, 1 attached and idle",
		Ours:      measureMutex,
		Reference: Reference{Name: "C, pthread robust process-shared mutex", Source: "mutex.c", Kind: "robust"},
	}
	shared := uncontended
	shared.Name += "/pthread-shared"
	shared.About = "the same against the lock that a death leaves locked for ever"
	shared.Reference = Reference{Name: "C, pthread process-shared mutex", Source: "mutex.c", Kind: "shared"}

	inGo := uncontended
	inGo.Name += "/go"
	inGo.About = "the same against the lock of one process"
	inGo.Goal = 0
	inGo.Reference = Reference{Name: "Go, sync.Mutex in one process", Go: measureGoMutex}
	return []Row{uncontended, shared, inGo}
}

// holder holds the mutex while side A tries in vain, so that it is proven to be shared, and is idle until A is done.
var holder = proc.Func("bench/mutex/holder", func(ctx context.Context, _ Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	m, err := sync.OpenMutex(seg, "mutex")
	if err != nil {
		return err
	}
	t, err := openTurns(seg)
	if err != nil {
		return err
	}
	if err := m.Lock(ctx); err != nil {
		return err
	}
	if err := t.pass(ctx); err != nil { // A tries
		return err
	}
	if err := m.Unlock(); err != nil {
		return err
	}
	return t.pass(ctx) // A measures
})

func measureMutex(ctx context.Context, j Job) (float64, error) {
	s, err := newStage(j, 1<<16)
	if err != nil {
		return 0, err
	}
	m, err := sync.NewMutex(s.seg, shm.Named("mutex"))
	if err != nil {
		return 0, err
	}
	return s.adds(ctx, holder, m.TryLock, func(counter *uint64, n uint64) error { return addUnder(ctx, m, counter, n) })
}

// addUnder adds n to the counter, one by one, each under the lock.
func addUnder(ctx context.Context, m *sync.Mutex, counter *uint64, n uint64) error {
	for range n {
		if err := m.Lock(ctx); err != nil {
			return err
		}
		*counter++
		if err := m.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

func measureGoMutex(_ context.Context, j Job) (float64, error) {
	return pinned(j.A, func() (float64, error) {
		var m gosync.Mutex
		counter := new(j.Salt)
		for range j.Warm {
			m.Lock()
			*counter++
			m.Unlock()
		}
		begin := time.Now()
		for range j.N {
			m.Lock()
			*counter++
			m.Unlock()
		}
		elapsed := time.Since(begin)
		expect(*counter, j.PeerSalt+j.Warm+j.N, "holder")
		return j.per(elapsed), nil
	})
}
