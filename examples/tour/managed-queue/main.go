// Managed-queue hands out jobs to three children, and waits until all are done, as a manager's JoinableQueue does.
// The queue travels as an argument, and in another queue, like any value.
//
// Output:
//
//	all done
//	285
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

type shared struct {
	Queues *queue.Queue[*queue.Queue[int]] // a queue of queues
	Sum    *state.Value[int]
}

var work = proc.Func("work", func(ctx context.Context, s shared) error {
	jobs, err := s.Queues.Get(ctx)
	if err != nil {
		return err
	}
	for n, err := range jobs.All(ctx) {
		if err != nil {
			return err
		}
		if _, err := state.Add(s.Sum, n*n); err != nil {
			return err
		}
		if err := jobs.Done(); err != nil {
			return err
		}
	}
	return nil
})

func main() {
	proc.Main()
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	jobs, err := queue.New[int](seg, 4, queue.Joinable())
	check(err)
	queues, err := queue.New[*queue.Queue[int]](seg, 4)
	check(err)
	sum, err := state.NewValue(seg, 0)
	check(err)

	children, _ := proc.NewGroup(ctx)
	for range 3 {
		work.Go(children, shared{queues, sum}, proc.Share(seg))
		check(queues.Put(ctx, jobs))
	}
	for n := range 10 {
		check(jobs.Put(ctx, n))
	}
	check(jobs.Join(ctx))
	fmt.Println("all done")
	check(jobs.Shutdown()) // which ends the children's loops
	check(children.Wait())
	n, err := sum.Load()
	check(err)
	fmt.Println(n)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
