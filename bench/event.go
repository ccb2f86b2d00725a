package main

import (
	"context"
	"time"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// eventRows measure what is to cost a load.
func eventRows() []Row {
	two := limit(2, "2 ns")
	isSet := Row{
		Name:  "sync/event/is-set",
		About: "IsSet of a sync.Event that is set",
		N:     50_000_000, Warm: 5_000_000, Goal: 1,
		Place: OneCPU, Payload: "how often it was set", Concurrency: "1 process",
		Ours: measureIsSet, Reference: two,
	}
	do := isSet
	do.Name = "sync/once/done"
	do.About = "Do of a sync.Once that is done"
	do.Payload = "how often the function ran"
	do.Ours = measureOnce
	return []Row{isSet, do}
}

func measureIsSet(_ context.Context, j Job) (float64, error) {
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		return 0, err
	}
	e, err := sync.NewEvent(seg)
	if err != nil {
		return 0, err
	}
	if err := e.Set(); err != nil {
		return 0, err
	}
	return pinned(j.A, func() (float64, error) {
		yes := countSet(e, j.Warm)
		begin := time.Now()
		yes += countSet(e, j.N)
		elapsed := time.Since(begin)
		expect(yes+j.Salt, j.Warm+j.N+j.PeerSalt, "caller")
		return j.per(elapsed), seg.Close()
	})
}

func countSet(e *sync.Event, n uint64) (yes uint64) {
	for range n {
		if e.IsSet() {
			yes++
		}
	}
	return yes
}

func measureOnce(ctx context.Context, j Job) (float64, error) {
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		return 0, err
	}
	o, err := sync.NewOnce(seg)
	if err != nil {
		return 0, err
	}
	ran := j.Salt
	f := func() error { ran++; return nil }
	do := func(n uint64) error {
		for range n {
			if err := o.Do(ctx, f); err != nil {
				return err
			}
		}
		return nil
	}
	return pinned(j.A, func() (float64, error) {
		if err := do(max(j.Warm, 1)); err != nil {
			return 0, err
		}
		begin := time.Now()
		err := do(j.N)
		elapsed := time.Since(begin)
		expect(ran, j.PeerSalt+1, "caller")
		if closed := seg.Close(); err == nil {
			err = closed
		}
		return j.per(elapsed), err
	})
}
