// Array has a child square the numbers in an array, in place.
//
// Output:
//
//	[0 1 4 9 16 25 36 49 64 81]
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

var square = proc.Func("square", func(ctx context.Context, a *state.Array[float64]) error {
	for i := range a.Len() {
		err := a.Update(ctx, i, func(x *float64) error {
			*x *= *x
			return nil
		})
		if err != nil {
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
	a, err := state.NewArray[float64](seg, 10)
	check(err)
	for i := range a.Len() {
		check(a.Store(i, float64(i)))
	}

	child, err := square.Start(ctx, a, proc.Share(seg))
	check(err)
	check(child.Wait(ctx))
	all, err := a.Slice(0, a.Len())
	check(err)
	fmt.Println(all)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
