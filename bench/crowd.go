package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	gosync "sync"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// crowdRows measure what it costs to wait, not how fast it is over.
func crowdRows() []Row {
	return []Row{
		{
			Name:  "sync/mutex/crowd",
			About: "10,000 goroutines of one process that wait for a sync.Mutex which another has: OS threads more, and how long a cancel of all takes",
			N:     10_000, Place: Free, Payload: "each one's error", Concurrency: "1 holder, 10,000 goroutines",
			Figures:   []Figure{{Name: "threads", Unit: "threads", Goal: 1}, {Name: "cancel", Unit: "ms", Goal: 1}},
			Meter:     measureCrowd,
			Reference: Reference{Name: "limit: 8 threads, 100 ms", Limits: Values{"threads": 8, "cancel": 100}},
		},
		{
			Name:  "sync/mutex/idle",
			About: "CPU time in 10 s of a process of which 100 goroutines wait for a sync.Mutex, taken from shorter runs",
			N:     3_000, Unit: "ms", Goal: 1,
			Place: Free, Payload: "none", Concurrency: "1 holder, 100 goroutines",
			Ours: measureIdle, Reference: limit(10, "10 ms"),
		},
	}
}

// keeper has the mutex until A is done.
var keeper = proc.Func("bench/mutex/keeper", func(ctx context.Context, _ Job) error {
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
	if err := t.pass(ctx); err != nil { // A measures
		return err
	}
	return m.Unlock()
})

// A crowd is goroutines that wait for a mutex which another process has.
type crowd struct {
	*stage
	cancel context.CancelFunc
	ended  gosync.WaitGroup
	mu     gosync.Mutex
	errs   map[string]uint64
}

// gather has n goroutines wait. before is called when the other process has the mutex, and nobody waits yet.
func gather(ctx context.Context, j Job, n uint64, before func()) (*crowd, error) {
	s, err := newStage(j, 1<<16)
	if err != nil {
		return nil, err
	}
	m, err := sync.NewMutex(s.seg, shm.Named("mutex"))
	if err != nil {
		return nil, err
	}
	if err := s.meet(ctx, keeper); err != nil {
		return nil, err
	}
	before()
	c := &crowd{stage: s, errs: map[string]uint64{}}
	inside, cancel := context.WithCancel(ctx)
	c.cancel = cancel
	others := waiting()
	for range n {
		c.ended.Go(func() {
			err := m.Lock(inside)
			c.mu.Lock()
			defer c.mu.Unlock()
			if errors.Is(err, context.Canceled) {
				err = context.Canceled
			}
			c.errs[fmt.Sprint(err)]++
		})
	}
	// One of them sleeps in a system call, which counts as running, and has told others of it.
	for waiting() < others+n-1 || !waitedFor(m) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		time.Sleep(time.Millisecond)
	}
	return c, nil
}

func waitedFor(m *sync.Mutex) bool {
	h, held := m.Owner()
	return held && !h.Since.IsZero()
}

// waiting is how many goroutines wait for something in Go.
func waiting() uint64 { return metric("/sched/goroutines/waiting:goroutines") }

// threads is how many OS threads the process has.
func threads() uint64 { return metric("/sched/threads/total:threads") }

func metric(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// disperse cancels all, and returns how long that took.
func (c *crowd) disperse() time.Duration {
	begin := time.Now()
	c.cancel()
	c.ended.Wait()
	return time.Since(begin)
}

func (c *crowd) finish(ctx context.Context, n uint64) error {
	j := c.job
	expect(c.errs[context.Canceled.Error()]+j.Salt, n+j.PeerSalt, "crowd")
	return c.stage.finish(ctx, c.turns.give())
}

func measureCrowd(ctx context.Context, j Job) (Values, error) {
	var before uint64
	c, err := gather(ctx, j, j.N, func() { before = threads() })
	if err != nil {
		return nil, err
	}
	more := max(threads(), before) - before
	took := c.disperse()
	return Values{
		"threads": float64(more),
		"cancel":  took.Seconds() * 1e3,
	}, c.finish(ctx, j.N)
}

// measureIdle measures for N milliseconds, from when all have waited for a while: who waits looks ever less often.
func measureIdle(ctx context.Context, j Job) (float64, error) {
	const n = 100
	c, err := gather(ctx, j, n, func() {})
	if err != nil {
		return 0, err
	}
	time.Sleep(min(time.Second, 10*time.Duration(j.N)*time.Millisecond))
	used := cpuTime()
	begin := time.Now()
	time.Sleep(time.Duration(j.N) * time.Millisecond)
	used, elapsed := cpuTime()-used, time.Since(begin)
	c.disperse()
	j.Salt = j.PeerSalt
	c.job = j
	return used.Seconds() * 1e3 * 10 / elapsed.Seconds(), c.finish(ctx, n)
}
