// Semaphore lets no more than two of six children in at a time.
//
// Output:
//
//	6 were in, never more than 2 at a time: true
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

type shared struct {
	Seats           *sync.Semaphore
	Inside, Most, N *state.Value[int]
}

var visit = proc.Func("visit", func(ctx context.Context, s shared) error {
	if err := s.Seats.Acquire(ctx, 1); err != nil {
		return err
	}
	inside, err := state.Add(s.Inside, 1)
	if err != nil {
		return err
	}
	if err := s.Most.Update(ctx, func(most *int) error { *most = max(*most, inside); return nil }); err != nil {
		return err
	}
	time.Sleep(10 * time.Millisecond)
	if _, err := state.Add(s.Inside, -1); err != nil {
		return err
	}
	if _, err := state.Add(s.N, 1); err != nil {
		return err
	}
	return s.Seats.Release(1)
})

func main() {
	proc.Main()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	seats, err := sync.NewSemaphore(seg, 2)
	check(err)
	s := shared{Seats: seats, Inside: zero(seg), Most: zero(seg), N: zero(seg)}

	children, _ := proc.NewGroup(context.Background())
	for range 6 {
		visit.Go(children, s, proc.Share(seg))
	}
	check(children.Wait())
	n, err := s.N.Load()
	check(err)
	most, err := s.Most.Load()
	check(err)
	fmt.Println(n, "were in, never more than 2 at a time:", most <= 2)
}

func zero(seg *shm.Segment) *state.Value[int] {
	v, err := state.NewValue(seg, 0)
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
