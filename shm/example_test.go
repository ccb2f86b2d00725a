package shm_test

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// sum runs in a process of its own. The reference names a ring in a segment that it was given.
var sum = proc.Func("sum", func(ctx context.Context, numbers shm.Ref) error {
	seg, err := proc.Segment(ctx, numbers)
	if err != nil {
		return err
	}
	r, err := ring.SPSCFrom[int](seg, numbers)
	if err != nil {
		return err
	}
	in, err := r.Reader()
	if err != nil {
		return err
	}
	total := 0
	for n, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		total += n
	}
	fmt.Println("the child's sum:", total)
	return nil
})

// A segment is made, a ring in it, and the ring's reference goes to a child. (The program's main, or
// TestMain as here, has called proc.Main.)
func Example() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	numbers, err := ring.NewSPSC[int](seg, 16)
	if err != nil {
		log.Fatal(err)
	}
	child, err := sum.Start(ctx, numbers.Ref(), proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	w, err := numbers.Writer()
	if err != nil {
		log.Fatal(err)
	}
	for n := range 101 {
		if err := w.Push(ctx, n); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the child:", child.Wait(ctx))
	// Output:
	// the child's sum: 5050
	// the child: <nil>
}
