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
