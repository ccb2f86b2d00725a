package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// recoveryRows measure how long one who waits for a mutex waits longer when its holder is killed: from the kernel's
// proof of the death, which is when the holder's pidfd is readable, and beside it from the kill.
func recoveryRows() []Row {
	row := Row{
		N: 60, Unit: "ms",
		Place: Free, Payload: "a word under the lock", CapacityOf: "bytes of the holder's own",
		Concurrency: "1 holder killed, 1 waiter, 1 observer",
		Figures:     []Figure{{Name: "p50"}, {Name: "p99", Goal: 1}, {Name: "max"}, {Name: "kill/p50"}, {Name: "kill/p99"}},
	}
	var all []Row
	for _, way := range []struct {
		name, about string
		limit       float64
		filtered    bool
	}{
		{"pushed", "where the kernel tells of the death (pidfd)", 10, false},
		{"looked-for", "where it does not: pidfd_open is refused to the waiter", 100, true},
	} {
		for _, busy := range []bool{false, true} {
			for _, memory := range []struct {
				name  string
				bytes uint64
				n     uint64
			}{{"0", 0, 60}, {"256MiB", 256 << 20, 30}, {"1GiB", 1 << 30, 6}} {
				r := row
				r.Name = "sync/recovery/" + way.name + "/idle/" + memory.name
				r.About = "a killed holder's mutex goes to one who waits, from the proof and from the kill; " + way.about
				if busy {
					r.Name = "sync/recovery/" + way.name + "/busy/" + memory.name
					r.Concurrency += ", every CPU busy"
				}
				r.N, r.Capacity = memory.n, memory.bytes
				if way.filtered {
					r.N /= 2 // each waits for long before
				}
				r.Meter = measureRecovery(way.filtered, busy)
				r.Reference = limit(way.limit, fmt.Sprintf("%.0f ms", way.limit))
				all = append(all, r)
			}
		}
	}
	return all
}

// victim holds the mutex and as much memory of its own as the job's capacity until it is killed.
var victim = proc.Func("bench/recovery/victim", func(ctx context.Context, j Job) error {
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
	held, err := sync.OpenSemaphore(seg, "held")
	if err != nil {
		return err
	}
	memory := make([]byte, j.Capacity)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	if err := m.Lock(ctx); err != nil {
		return err
	}
	a.counter = j.Salt
	if err := held.Release(1); err != nil {
		return err
	}
	<-ctx.Done()
	runtime.KeepAlive(memory)
	return nil
})

// heir waits for the mutex, again and again, and tells when it had it.
var heir = proc.Func("bench/recovery/heir", func(ctx context.Context, a heirArgs) error {
	if a.Filtered {
		if err := refusePidfds(); err != nil {
			return err
		}
	}
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	m, err := sync.OpenMutex(seg, "mutex")
	if err != nil {
		return err
	}
	shared, err := openArena(seg)
	if err != nil {
		return err
	}
	t, err := openTurns(seg)
	if err != nil {
		return err
	}
	for range a.Job.N {
		if err := t.await(ctx); err != nil {
			return err
		}
		if err := m.Lock(ctx); !errors.Is(err, sync.ErrOwnerDied) {
			return fmt.Errorf("not from a dead holder: %w", err)
		}
		shared.at.Store(uint64(monotonic()))
		expect(shared.counter, a.Job.PeerSalt, "heir")
		if err := errors.Join(m.MarkConsistent(), m.Unlock(), t.give()); err != nil {
			return err
		}
	}
	return nil
})

type heirArgs struct {
	Job      Job
	Filtered bool
}

// burner keeps every CPU busy until it is killed.
var burner = proc.Func("bench/recovery/burner", func(ctx context.Context, j Job) error {
	for range runtime.NumCPU() {
		go func() {
			for x := j.Salt; ; {
				x = work(x, 1000)
			}
		}()
	}
	<-ctx.Done()
	return nil
})

// monotonic is the time by the clock that all processes share.
func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

func measureRecovery(filtered, busy bool) Meter {
	return func(ctx context.Context, j Job) (Values, error) {
		shared, err := newStage(j, 1<<16)
		if err != nil {
			return nil, err
		}
		s := &recovery{stage: shared, before: func() time.Duration { return 5 * time.Millisecond }}
		if filtered { // it looks at ever longer intervals, and the kill comes anywhere within one
			s.before = func() time.Duration { return 200*time.Millisecond + rand.N(100*time.Millisecond) }
		}
		if s.mutex, err = sync.NewMutex(s.seg, shm.Named("mutex")); err != nil {
			return nil, err
		}
		if s.held, err = sync.NewSemaphore(s.seg, 0, shm.Named("held")); err != nil {
			return nil, err
		}
		if busy {
			b, err := burner.Start(ctx, j)
			if err != nil {
				return nil, err
			}
			defer b.Close()
		}
		if err := begin(ctx, s.pair, heir, heirArgs{j, filtered}); err != nil {
			return nil, err
		}
		for range j.N {
			if err := s.once(ctx); err != nil {
				return nil, s.finish(ctx, err)
			}
		}
		slices.Sort(s.proven)
		slices.Sort(s.killed)
		ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
		return Values{
			"p50": ms(quantile(s.proven, 0.50)), "p99": ms(quantile(s.proven, 0.99)), "max": ms(quantile(s.proven, 1)),
			"kill/p50": ms(quantile(s.killed, 0.50)), "kill/p99": ms(quantile(s.killed, 0.99)),
		}, s.finish(ctx, nil)
	}
}

// recovery is what one run is about.
type recovery struct {
	*stage
	before func() time.Duration // how long the heir waits before the kill
	mutex  *sync.Mutex
	held   *sync.Semaphore
	proven []time.Duration // from the proof to the heir's having it
	killed []time.Duration // from the kill
}

// once starts a holder, has the heir wait, and kills the holder.
func (s *recovery) once(ctx context.Context) error {
	v, err := victim.Start(ctx, s.job, proc.Share(s.seg))
	if err != nil {
		return err
	}
	defer v.Close()
	if err := s.held.Acquire(ctx, 1); err != nil {
		return err
	}
	if err := s.turns.give(); err != nil {
		return err
	}
	for !waitedFor(s.mutex) {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(100 * time.Microsecond)
	}
	time.Sleep(s.before())
	proof := make(chan observed, 1)
	ready := make(chan struct{})
	go observe(v.Pid(), ready, proof)
	<-ready
	kill := monotonic()
	if err := v.Kill(); err != nil {
		return err
	}
	if err := s.turns.await(ctx); err != nil {
		return err
	}
	seen := <-proof
	if seen.err != nil {
		return seen.err
	}
	had := time.Duration(s.arena.at.Load())
	s.proven = append(s.proven, max(had-seen.at, 0))
	s.killed = append(s.killed, had-kill)
	return nil
}

// observed is when the kernel's proof was seen.
type observed struct {
	at  time.Duration
	err error
}

// observe waits for the proof of a process's death. The thread goes before all others where that is allowed, so that it
// sees the proof when it is there and not when a busy CPU gets round to it: late would be to the heir's advantage.
func observe(pid int, ready chan<- struct{}, proof chan<- observed) {
	runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine, and its priority with it
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	fd, err := unix.PidfdOpen(pid, 0)
	close(ready)
	if err != nil {
		proof <- observed{err: os.NewSyscallError("pidfd_open", err)}
		return
	}
	defer unix.Close(fd)
	for {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	proof <- observed{monotonic(), err}
}
