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

// price is what the ticker announces.
type price struct{ Euros, Cents uint32 }

// watch reads prices until the ticker stops.
var watch = proc.Func("watch", func(ctx context.Context, prices shm.Ref) error {
	seg, err := proc.Segment(ctx, prices)
	if err != nil {
		return err
	}
	ticker, err := ring.BroadcastFrom[price](seg, prices)
	if err != nil {
		return err
	}
	s, err := ticker.Subscribe(ring.FromOldest())
	if err != nil {
		return err
	}
	sum := uint32(0)
	for p, err := range s.All(ctx) {
		switch {
		case errors.Is(err, ring.ErrLapped):
			continue // it says how many were missed; what comes next is the oldest that is kept
		case err != nil:
			return err
		}
		sum += 100*p.Euros + p.Cents
	}
	if sum != 613 {
		return fmt.Errorf("prices of %d cents", sum)
	}
	return nil
})

// Each of three children sees every price that this process announces.
func ExampleBroadcast() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	ticker, err := ring.NewBroadcast[price](seg, 64)
	if err != nil {
		log.Fatal(err)
	}
	var children []*proc.Process
	for range 3 {
		child, err := watch.Start(ctx, ticker.Ref(), proc.Share(seg))
		if err != nil {
			log.Fatal(err)
		}
		children = append(children, child)
	}
	w, err := ticker.Writer()
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range []price{{1, 99}, {2, 5}, {2, 9}} {
		if err := w.Push(ctx, p); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("announced:", w.Sequence(), w.Close())
	for _, child := range children {
		fmt.Println("has seen all:", child.Wait(ctx))
	}
	// Output:
	// announced: 3 <nil>
	// has seen all: <nil>
	// has seen all: <nil>
	// has seen all: <nil>
}
