// Rlock has children use a lock that a function locks which is called by one that holds it already.
//
// Output:
//
//	depth 2
//	depth 2
//	depth 2
//	total 6
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

type shared struct {
	Lock  *sync.RMutex
	Total *state.Value[int]
}

var addTwice = proc.Func("addTwice", func(ctx context.Context, s shared) error {
	hold, err := s.Lock.Lock(ctx)
	if err != nil {
		return err
	}
	if err := add(ctx, hold, s); err != nil {
		return err
	}
	if err := add(ctx, hold, s); err != nil {
		return err
	}
	return hold.Unlock()
})

// add locks by itself, whoever calls it.
func add(ctx context.Context, hold *sync.Hold, s shared) error {
	if err := hold.Lock(ctx); err != nil {
		return err
	}
	n, err := s.Total.Load()
	if err != nil {
		return err
	}
	if n%2 == 0 {
		fmt.Println("depth", hold.Depth())
	}
	if err := s.Total.Store(n + 1); err != nil {
		return err
	}
	return hold.Unlock()
}

func main() {
	proc.Main()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	lock, err := sync.NewRMutex(seg)
	check(err)
	total, err := state.NewValue(seg, 0)
	check(err)

	children, _ := proc.NewGroup(context.Background())
	for range 3 {
		addTwice.Go(children, shared{lock, total}, proc.Share(seg))
	}
	check(children.Wait())
	n, err := total.Load()
	check(err)
	fmt.Println("total", n)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
