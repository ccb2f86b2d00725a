package main

import (
	"context"
	"errors"
	"math"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// contendedRows measure a lock that two processes want at the same time, as often as they can. The time is that of one
// lock with its unlock, whoever's: what all of them did, by the time in which they did it.
func contendedRows() []Row {
	tight := Row{
		Name:  "sync/mutex/contended",
		About: "lock and unlock of a sync.Mutex that two processes want, each again at once; elapsed time by what both did",
		N:     5_000_000, Warm: 500_000, Goal: 1.0,
		Place: TwoCPUs, Payload: "a counter under the lock", Concurrency: "2 processes",
		Ours:      measureContended,
		Reference: Reference{Name: "C, pthread robust process-shared mutex", Source: "contended.c"},
	}
	paced := tight
	paced.Name += "/paced"
	paced.About = "the same, each with 100 ns of work of its own between unlock and lock"
	paced.Pace = 100

	many := tight
	many.Name += "/8-goroutines"
	many.About = "the same, two processes of 8 goroutines or threads each"
	many.Workers = 8
	many.Place = Free
	many.Concurrency = "2 processes of 8 goroutines, in C threads"
	manyPaced := many
	manyPaced.Name += "/paced"
	manyPaced.About = "the same, each with 100 ns of work of its own between unlock and lock"
	manyPaced.Pace = 100
	return []Row{tight, paced, many, manyPaced}
}

// contest is what one process has of the two.
type contest struct {
	job   Job
	mutex *sync.Mutex
	arena *arena
	watch *stopwatch // side A's; nil on the other
}

// stopwatch belongs to side A, which reads the clock while it holds the lock: so both ends are exact, and the lock
// guards it.
type stopwatch struct {
	n, next uint64 // how much to measure, and the counter at which to read the clock
	since   uint64 // the counter when it began
	begin   time.Time
	per     float64 // nanoseconds of one operation; 0 until the end
}

// note is called with the lock when the counter has come to next. It reports whether that was the end.
func (s *stopwatch) note(counter uint64) bool {
	if s.begin.IsZero() {
		s.begin, s.since, s.next = time.Now(), counter, counter+s.n
		return false
	}
	s.per = float64(time.Since(s.begin)) / float64(counter-s.since)
	s.next = math.MaxUint64
	return true
}

// compete takes the lock and gives it back until it is over.
func (c contest) compete(ctx context.Context) error {
	var count uint64
	x, next := c.job.Salt, uint64(math.MaxUint64)
	for c.arena.over.Load() == 0 {
		x = work(x, c.job.Steps)
		if err := c.mutex.Lock(ctx); err != nil {
			return err
		}
		c.arena.counter++
		if c.watch != nil {
			next = c.watch.next
		}
		if c.arena.counter >= next && c.watch.note(c.arena.counter) {
			c.arena.over.Store(1)
		}
		if err := c.mutex.Unlock(); err != nil {
			return err
		}
		count++
	}
	runtime.KeepAlive(x)
	c.arena.counted.Add(count)
	return nil
}

// all competes with as many goroutines as the job wants: one is pinned, several are where the system puts them.
func (c contest) all(ctx context.Context, cpu int) error {
	if c.job.Workers == 1 {
		_, err := pinned(cpu, func() (struct{}, error) { return struct{}{}, c.compete(ctx) })
		return err
	}
	ends := make(chan error)
	for range c.job.Workers {
		go func() { ends <- c.compete(ctx) }()
	}
	var err error
	for range c.job.Workers {
		err = errors.Join(err, <-ends)
	}
	return err
}

var rival = proc.Func("bench/mutex/rival", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	m, err := sync.OpenMutex(seg, "mutex")
	if err != nil {
		return err
	}
	a, err := openArena(seg)
	if err != nil {
		return err
	}
	return contest{job: j, mutex: m, arena: a}.all(ctx, j.B)
})

func measureContended(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, 1<<16)
	if err != nil {
		return 0, err
	}
	m, err := sync.NewMutex(p.seg, shm.Named("mutex"))
	if err != nil {
		return 0, err
	}
	a, err := newArena(p.seg)
	if err != nil {
		return 0, err
	}
	a.counter = j.Salt
	if err := p.start(ctx, rival); err != nil {
		return 0, err
	}
	c := contest{job: j, mutex: m, arena: a, watch: &stopwatch{n: j.N, next: j.Salt + j.Warm}}
	if err := c.all(ctx, j.A); err != nil {
		return 0, errors.Join(err, p.finish(ctx, err))
	}
	if err := p.peer.Wait(ctx); err != nil {
		return 0, err
	}
	expect(a.counter, j.PeerSalt+a.counted.Load(), "holder")
	return c.watch.per, p.finish(ctx, nil)
}
