package main

import (
	"context"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// wakeRows measure round trips of waiters that sleep. Each process is confined to its CPU, so that the library does not
// poll: with a CPU of its own for polling it would not sleep at all.
func wakeRows() []Row {
	semaphore := Row{
		Name:  "sync/semaphore/pingpong",
		About: "round trip over two sync.Semaphores, each side asleep until the other's Release",
		N:     20_000, Warm: 2_000, Goal: 1.25,
		Payload: "a counter beside, checked at both ends", Concurrency: "1 caller, 1 echo",
		Ours:      measureWake(newSemaphore, semaphoreEcho),
		Reference: Reference{Name: "C, raw futex, no spin", Source: "futex.c"},
	}
	event := semaphore
	event.Name = "sync/event/pingpong"
	event.About = "round trip over two sync.Events, set by the one, awaited and cleared by the other, asleep meanwhile"
	event.Ours = measureWake(newEvent, eventEcho)
	var all []Row
	for _, row := range []Row{semaphore, event} {
		one, two := row, row
		one.Name += "/one-cpu"
		one.Place, one.N = SameCPU, 50_000
		two.Name += "/two-cpus"
		two.Place = OwnCPUs
		all = append(all, one, two)
	}
	return all
}

// oneWay is one way of a round trip: a signal given, and taken.
type oneWay struct {
	give func() error
	take func(ctx context.Context) error
}

// A maker makes a signal of that name, or finds it on side B.
type maker func(seg *shm.Segment, name string) (oneWay, error)

func newSemaphore(seg *shm.Segment, name string) (oneWay, error) {
	return semaphoreSignal(sync.NewSemaphore(seg, 0, shm.Named(name)))
}

func openSemaphore(seg *shm.Segment, name string) (oneWay, error) {
	return semaphoreSignal(sync.OpenSemaphore(seg, name))
}

func newEvent(seg *shm.Segment, name string) (oneWay, error) {
	return eventSignal(sync.NewEvent(seg, shm.Named(name)))
}

func openEvent(seg *shm.Segment, name string) (oneWay, error) {
	return eventSignal(sync.OpenEvent(seg, name))
}

func semaphoreSignal(s *sync.Semaphore, err error) (oneWay, error) {
	return oneWay{
		give: func() error { return s.Release(1) },
		take: func(ctx context.Context) error { return s.Acquire(ctx, 1) },
	}, err
}

func eventSignal(e *sync.Event, err error) (oneWay, error) {
	return oneWay{
		give: func() error { return e.Set() },
		take: func(ctx context.Context) error {
			if err := e.Wait(ctx); err != nil {
				return err
			}
			return e.Clear()
		},
	}, err
}

var (
	semaphoreEcho = proc.Func("bench/wake/semaphore", wakeEcho(openSemaphore))
	eventEcho     = proc.Func("bench/wake/event", wakeEcho(openEvent))
)

// wakeEcho is side B: it answers each signal with one of its own, and the word beside with its complement.
func wakeEcho(find maker) func(context.Context, Job) error {
	return func(ctx context.Context, j Job) error {
		if err := confine(j.B); err != nil {
			return err
		}
		seg, err := attached(ctx)
		if err != nil {
			return err
		}
		a, err := openArena(seg)
		if err != nil {
			return err
		}
		ping, err := find(seg, "ping")
		if err != nil {
			return err
		}
		pong, err := find(seg, "pong")
		if err != nil {
			return err
		}
		for i := range j.Warm + j.N {
			if err := ping.take(ctx); err != nil {
				return err
			}
			expect(a.counter, j.PeerSalt+i, "echo")
			a.counter = ^a.counter
			if err := pong.give(); err != nil {
				return err
			}
		}
		return nil
	}
}

func measureWake(create maker, echo *proc.Function[Job]) Side {
	return func(ctx context.Context, j Job) (float64, error) {
		p, err := newPair(j, 1<<16)
		if err != nil {
			return 0, err
		}
		a, err := newArena(p.seg)
		if err != nil {
			return 0, err
		}
		ping, err := create(p.seg, "ping")
		if err != nil {
			return 0, err
		}
		pong, err := create(p.seg, "pong")
		if err != nil {
			return 0, err
		}
		if err := p.start(ctx, echo); err != nil {
			return 0, err
		}
		trips := func(first, n uint64) error {
			for v := first; v != first+n; v++ {
				a.counter = v
				if err := ping.give(); err != nil {
					return err
				}
				if err := pong.take(ctx); err != nil {
					return err
				}
				expect(a.counter, ^v, "caller")
			}
			return nil
		}
		if err := trips(j.Salt, j.Warm); err != nil {
			return 0, p.finish(ctx, err)
		}
		begin := time.Now()
		err = trips(j.Salt+j.Warm, j.N)
		v := j.per(time.Since(begin))
		return v, p.finish(ctx, err)
	}
}
