// Event has three children wait for one event, and a fourth that gives up.
//
// Output:
//
//	context deadline exceeded
//	set
//	go
//	go
//	go
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

var wait = proc.Func("wait", func(ctx context.Context, e *sync.Event) error {
	err := e.Wait(ctx)
	fmt.Println("go")
	return err
})

var giveUp = proc.Func("giveUp", func(ctx context.Context, e *sync.Event) error {
	soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	err := e.Wait(soon)
	if !errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it did not have to wait")
	}
	fmt.Println(context.DeadlineExceeded)
	return nil
})

func main() {
	proc.Main()
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	e, err := sync.NewEvent(seg)
	check(err)

	children, _ := proc.NewGroup(ctx)
	for range 3 {
		wait.Go(children, e, proc.Share(seg))
	}
	impatient, err := giveUp.Start(ctx, e, proc.Share(seg))
	check(err)
	check(impatient.Wait(ctx))
	fmt.Println("set")
	check(e.Set())
	check(children.Wait())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
