// Condition has three children wait until the parent has changed a value.
//
// Output:
//
//	ready
//	a child saw 1
//	a child saw 1
//	a child saw 1
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
	Lock    *sync.Mutex
	Changed *sync.Cond
	Value   *state.Value[int]
}

var await = proc.Func("await", func(ctx context.Context, s shared) error {
	if err := s.Lock.Lock(ctx); err != nil {
		return err
	}
	var v int
	err := s.Changed.WaitFor(ctx, s.Lock, func() bool {
		v, _ = s.Value.Load()
		return v != 0
	})
	if err != nil {
		return err
	}
	fmt.Println("a child saw", v)
	return s.Lock.Unlock()
})

func main() {
	proc.Main()
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	lock, err := sync.NewMutex(seg)
	check(err)
	changed, err := sync.NewCond(seg)
	check(err)
	value, err := state.NewValue(seg, 0)
	check(err)

	var children []*proc.Process
	for range 3 {
		child, err := await.Start(ctx, shared{lock, changed, value}, proc.Share(seg))
		check(err)
		children = append(children, child)
	}
	check(lock.Lock(ctx))
	fmt.Println("ready")
	check(value.Store(1))
	check(lock.Unlock())
	check(changed.Broadcast())
	for _, child := range children {
		check(child.Wait(ctx))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
