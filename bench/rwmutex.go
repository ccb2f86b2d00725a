package main

import (
	"context"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// rwmutexRows measure readers, alone and beside each other.
func rwmutexRows() []Row {
	alone := Row{
		Name:  "sync/rwmutex/read",
		About: "read lock and unlock of a sync.RWMutex that nobody else wants, against our Mutex",
		N:     5_000_000, Warm: 500_000, Goal: 1.3,
		Place: OneCPU, Payload: "a word that is read under the lock", Concurrency: "1 process at work, 1 attached and idle",
		Ours:      measureReads(false),
		Reference: Reference{Name: "Kindred's sync.Mutex", Go: measureMutex},
	}
	two := alone
	two.Name += "/two-processes"
	two.About = "the same while another process reads, too, against one that reads alone"
	two.Goal = 1.0
	two.Place = TwoCPUs
	two.Concurrency = "2 processes"
	two.Ours = measureReads(true)
	two.Reference = Reference{Name: "one process that reads alone", Go: measureReads(false)}
	return []Row{alone, two}
}

var (
	idleReader = proc.Func("bench/rwmutex/idle", reader(false))
	busyReader = proc.Func("bench/rwmutex/busy", reader(true))
)

// reader reads until side A has measured, or once.
func reader(busy bool) func(context.Context, Job) error {
	return func(ctx context.Context, j Job) error {
		seg, a, t, err := openStage(ctx)
		if err != nil {
			return err
		}
		m, err := sync.OpenRWMutex(seg, "mutex")
		if err != nil {
			return err
		}
		if err := read(ctx, m, a, 1, j.PeerSalt, "reader"); err != nil {
			return err
		}
		if !busy {
			return t.pass(ctx) // A measures
		}
		if err := t.give(); err != nil {
			return err
		}
		_, err = pinned(j.B, func() (struct{}, error) {
			for a.over.Load() == 0 {
				if err := read(ctx, m, a, 100, j.PeerSalt, "reader"); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		return err
	}
}

// read reads the counter n times, each under the lock.
func read(ctx context.Context, m *sync.RWMutex, a *arena, n, want uint64, who string) error {
	for range n {
		if err := m.RLock(ctx); err != nil {
			return err
		}
		expect(a.counter, want, who)
		if err := m.RUnlock(); err != nil {
			return err
		}
	}
	return nil
}

func measureReads(two bool) Side {
	peer := idleReader
	if two {
		peer = busyReader
	}
	return func(ctx context.Context, j Job) (float64, error) {
		s, err := newStage(j, 1<<16)
		if err != nil {
			return 0, err
		}
		m, err := sync.NewRWMutex(s.seg, shm.Named("mutex"))
		if err != nil {
			return 0, err
		}
		a := s.arena
		a.counter = j.Salt
		if err := s.meet(ctx, peer); err != nil {
			return 0, err
		}
		v, err := pinned(j.A, func() (float64, error) {
			if err := read(ctx, m, a, j.Warm, j.PeerSalt, "caller"); err != nil {
				return 0, err
			}
			begin := time.Now()
			err := read(ctx, m, a, j.N, j.PeerSalt, "caller")
			return j.per(time.Since(begin)), err
		})
		a.over.Store(1)
		if !two && err == nil {
			err = s.turns.give()
		}
		return v, s.finish(ctx, err)
	}
}
