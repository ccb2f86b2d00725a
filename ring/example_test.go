package ring_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// greet writes records into a ring, in place, and closes it.
var greet = proc.Func("greet", func(ctx context.Context, words shm.Ref) error {
	seg, err := proc.Segment(ctx, words)
	if err != nil {
		return err
	}
	r, err := ring.BytesFrom(seg, words)
	if err != nil {
		return err
	}
	w, err := r.Writer()
	if err != nil {
		return err
	}
	for _, word := range []string{"hello,", "shared", "memory"} {
		record, err := w.Reserve(ctx, len(word))
		if err != nil {
			return err
		}
		w.Commit(copy(record, word))
	}
	return w.Close()
})

// A child writes, and this process reads until the child closes the ring. (The program's main, or
// TestMain as here, has called proc.Main.)
func ExampleBytes() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	words, err := ring.NewBytes(seg, 4096)
	if err != nil {
		log.Fatal(err)
	}
	child, err := greet.Start(ctx, words.Ref(), proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	in, err := words.Reader()
	if err != nil {
		log.Fatal(err)
	}
	for {
		word, err := in.Peek(ctx)
		if err != nil {
			fmt.Println("the ring is closed:", errors.Is(err, ring.ErrClosed), child.Wait(ctx))
			break
		}
		fmt.Println(string(word))
		in.Release()
	}
	// Output:
	// hello,
	// shared
	// memory
	// the ring is closed: true <nil>
}

// sample pushes the squares from 1 on, ten at a time, written where they stay.
var sample = proc.Func("sample", func(ctx context.Context, squares shm.Ref) error {
	seg, err := proc.Segment(ctx, squares)
	if err != nil {
		return err
	}
	r, err := ring.SPSCFrom[int](seg, squares)
	if err != nil {
		return err
	}
	w, err := r.Writer()
	if err != nil {
		return err
	}
	for first := 1; first < 100; first += 10 {
		run, err := w.Reserve(ctx, 10)
		if err != nil {
			return err
		}
		for i := range run.Len() {
			*run.At(i) = (first + i) * (first + i)
		}
		w.Commit(run.Len())
	}
	return w.Close()
})

// A child writes runs of values in place, and this process adds them up in place, until the child closes
// the ring.
func ExampleWriter_Reserve() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	squares, err := ring.NewSPSC[int](seg, 64)
	if err != nil {
		log.Fatal(err)
	}
	child, err := sample.Start(ctx, squares.Ref(), proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	in, err := squares.Reader()
	if err != nil {
		log.Fatal(err)
	}
	sum := 0
	for {
		run, err := in.Peek(ctx, 64)
		if err != nil {
			fmt.Println(sum, errors.Is(err, ring.ErrClosed), child.Wait(ctx))
			break
		}
		for i := range run.Len() {
			sum += *run.At(i)
		}
		in.Release(run.Len())
	}
	// Output:
	// 338350 true <nil>
}

// square pops numbers and pushes their squares, until there are no more.
var square = proc.Func("square", func(ctx context.Context, rings [2]shm.Ref) error {
	seg, err := proc.Segment(ctx, rings[0])
	if err != nil {
		return err
	}
	numbers, err := ring.MPMCFrom[int](seg, rings[0])
	if err != nil {
		return err
	}
	squares, err := ring.MPMCFrom[int](seg, rings[1])
	if err != nil {
		return err
	}
	for n, err := range numbers.All(ctx) {
		if err != nil {
			return err
		}
		if err := squares.Push(ctx, n*n); err != nil {
			return err
		}
	}
	return nil
})

// Two processes share the work: whichever is free takes the next number.
func ExampleMPMC() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	numbers, err := ring.NewMPMC[int](seg, 16)
	if err != nil {
		log.Fatal(err)
	}
	squares, err := ring.NewMPMC[int](seg, 16)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		child, err := square.Start(ctx, [2]shm.Ref{numbers.Ref(), squares.Ref()}, proc.Share(seg))
		if err != nil {
			log.Fatal(err)
		}
		defer child.Close()
	}
	for n := range 10 {
		if err := numbers.Push(ctx, n+1); err != nil {
			log.Fatal(err)
		}
	}
	if err := numbers.Close(); err != nil {
		log.Fatal(err)
	}
	sum := 0
	for range 10 {
		n, err := squares.Pop(ctx)
		if err != nil {
			log.Fatal(err)
		}
		sum += n
	}
	fmt.Println(sum)
	// Output: 385
}
