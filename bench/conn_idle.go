package main

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	gosync "sync"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
)

// connIdleRow is what it costs to have connections through which nothing comes.
func connIdleRow() Row {
	return Row{
		Name:  "conn/idle",
		About: "a process with 1,000 connections through which nothing comes, and a blocked reader at each: OS threads more, and CPU time in 10 s, taken from a shorter time",
		N:     1_000, Place: Free, Payload: "8 bytes through each in the end", Concurrency: "1,000 readers, 1 process with the other ends",
		Figures:   []Figure{{Name: "threads", Unit: "threads", Goal: 1}, {Name: "cpu", Unit: "ms", Goal: 1}},
		Meter:     measureIdleConns,
		Reference: Reference{Name: "limit: 16 threads, 10 ms", Limits: Values{"threads": 16, "cpu": 10}},
	}
}

// idleDialer has the other ends of all connections.
var idleDialer = proc.Func("bench/conn/idle", func(ctx context.Context, j Job) error {
	seg, _, t, err := openStage(ctx)
	if err != nil {
		return err
	}
	var all []*queue.Conn
	for range j.N {
		c, err := queue.Dial(ctx, seg, "bench")
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	if err := t.pass(ctx); err != nil { // A measures
		return err
	}
	for i, c := range all {
		if _, err := c.Write(binary.LittleEndian.AppendUint64(nil, j.Salt+uint64(i))); err != nil {
			return err
		}
	}
	return t.await(ctx) // all is read
})

func measureIdleConns(ctx context.Context, j Job) (Values, error) {
	s, err := newStage(j, int64(j.N)<<19+4<<20)
	if err != nil {
		return nil, err
	}
	l, err := queue.Listen(s.seg, "bench", queue.MaxBytes(1))
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx, idleDialer); err != nil {
		return nil, err
	}
	all := make([]io.Reader, j.N)
	for i := range all {
		if all[i], err = l.Accept(); err != nil {
			return nil, err
		}
	}
	if err := s.turns.await(ctx); err != nil {
		return nil, err
	}
	before, others := threads(), waiting()
	words := make([]uint64, j.N)
	failed := make(chan error, j.N)
	var readers gosync.WaitGroup
	for i, c := range all {
		readers.Go(func() {
			var b [8]byte
			_, err := io.ReadFull(c, b[:])
			words[i] = binary.LittleEndian.Uint64(b[:])
			failed <- err
		})
	}
	const direct = 8 // waits that are in the kernel, each by itself, which counts as running
	for waiting()+direct < others+j.N {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		time.Sleep(time.Millisecond)
	}
	window := min(3*time.Second, time.Duration(j.N)*3*time.Millisecond)
	time.Sleep(window / 3) // who waits looks ever less often
	used, begin := cpuTime(), time.Now()
	time.Sleep(window)
	used, elapsed := cpuTime()-used, time.Since(begin)
	more := max(threads(), before) - before
	if err := s.turns.give(); err != nil {
		return nil, err
	}
	readers.Wait()
	for i, w := range words {
		if err := <-failed; err != nil {
			return nil, err
		}
		expect(w, j.PeerSalt+uint64(i), "reader")
	}
	return Values{"threads": float64(more), "cpu": used.Seconds() * 1e4 / elapsed.Seconds()}, s.finish(ctx, s.turns.give())
}
