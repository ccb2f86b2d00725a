// Bounded-semaphore has a child give back a permit once too often, and be told.
//
// Output:
//
//	given back
//	once too often: sync: release semaphore in segment de37468d65c94107: 1 permits beside 2: impossible number
//	2 permits
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

var release = proc.Func("release", func(ctx context.Context, s *sync.Semaphore) error {
	if err := s.Acquire(ctx, 1); err != nil {
		return err
	}
	if err := s.Release(1); err != nil {
		return err
	}
	fmt.Println("given back")
	fmt.Println("once too often:", s.Release(1))
	return nil
})

func main() {
	proc.Main()
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	s, err := sync.NewSemaphore(seg, 2, sync.Bounded())
	check(err)

	child, err := release.Start(ctx, s, proc.Share(seg))
	check(err)
	check(child.Wait(ctx))
	fmt.Println(s.Value(), "permits")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
