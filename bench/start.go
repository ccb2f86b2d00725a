package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/kindred-ipc/kindred/proc"
)

// startRows measure how long it takes until the first line of a child's own code has run.
func startRows() []Row {
	start := Row{
		Name:  "proc/start",
		About: "start of a child process to the first line of its function, against exec.Command of the same program to the first line of main",
		Goal:  1.5,
		N:     60, Warm: 5, Unit: "ms", Place: Free,
		Payload: "8 bytes of arguments, sent back", Concurrency: "1 child at a time",
		Ours:      measureStarts(coldly),
		Reference: Reference{Name: "exec.Command", Go: measureStarts(byCommand)},
	}
	warm := start
	warm.Name = "proc/start/warm"
	warm.About = "the same with a child of a warm set, of which there are always two that wait"
	warm.Goal = 1
	warm.Ours, warm.Reference = measureStarts(warmly), limit(1, "1 ms")
	return []Row{start, warm}
}

// hello is the child: it sends its argument back.
var hello = proc.Func("bench/start/hello", func(ctx context.Context, n uint64) error {
	return binary.Write(proc.File(ctx, 0), binary.LittleEndian, n)
})

// helloVariable makes this program the child of exec.Command.
const helloVariable = "KINDRED_BENCH_HELLO"

// saidHello is that child, and ends with it. In any other process it does nothing. It is called first of all.
func saidHello() {
	text, ok := os.LookupEnv(helloVariable)
	if !ok {
		return
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err == nil {
		err = binary.Write(os.Stdout, binary.LittleEndian, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	os.Exit(0)
}

// A starter starts a child that writes n to w, and returns what waits for its end.
type starter func(ctx context.Context, w *os.File) (start func(n uint64) (wait func() error, err error), over func() error, err error)

func coldly(ctx context.Context, w *os.File) (func(uint64) (func() error, error), func() error, error) {
	return func(n uint64) (func() error, error) {
		p, err := hello.Start(ctx, n, proc.Files(w))
		return func() error { return p.Wait(ctx) }, err
	}, func() error { return nil }, nil
}

func warmly(ctx context.Context, w *os.File) (func(uint64) (func() error, error), func() error, error) {
	set, err := hello.Warm(ctx, 2, proc.Files(w))
	if err != nil {
		return nil, nil, err
	}
	return func(n uint64) (func() error, error) {
		p, err := set.Start(ctx, n)
		return func() error {
			time.Sleep(50 * time.Millisecond) // until it was made up for
			return p.Wait(ctx)
		}, err
	}, set.Close, nil
}

func byCommand(ctx context.Context, w *os.File) (func(uint64) (func() error, error), func() error, error) {
	program, err := os.Executable()
	return func(n uint64) (func() error, error) {
		cmd := exec.CommandContext(ctx, program)
		cmd.Env = append(os.Environ(), helloVariable+"="+strconv.FormatUint(n, 10))
		cmd.Stdout = w
		return cmd.Wait, cmd.Start()
	}, func() error { return nil }, err
}

func measureStarts(by starter) Side {
	return func(ctx context.Context, j Job) (ms float64, err error) {
		r, w, err := os.Pipe()
		if err != nil {
			return 0, err
		}
		defer r.Close()
		defer w.Close()
		start, over, err := by(ctx, w)
		if err != nil {
			return 0, err
		}
		var sum time.Duration
		for i := range j.Warm + j.N {
			took, err := startOnce(start, r, j.Salt+i, j.PeerSalt+i)
			if err != nil {
				return 0, err
			}
			if i >= j.Warm {
				sum += took
			}
		}
		return sum.Seconds() * 1000 / float64(j.N), over()
	}
}

func startOnce(start func(uint64) (func() error, error), r io.Reader, n, want uint64) (time.Duration, error) {
	begin := time.Now()
	wait, err := start(n)
	if err != nil {
		return 0, err
	}
	var got uint64
	if err := binary.Read(r, binary.LittleEndian, &got); err != nil {
		return 0, fmt.Errorf("what the child says: %w", err)
	}
	took := time.Since(begin)
	expect(got, want, "parent")
	return took, wait()
}
