// Value has four children add to one number, a thousand times each. No addition is lost, without a lock.
//
// Output:
//
//	4000
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

var count = proc.Func("count", func(_ context.Context, v *state.Value[int]) error {
	for range 1000 {
		if _, err := state.Add(v, 1); err != nil {
			return err
		}
	}
	return nil
})

func main() {
	proc.Main()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	v, err := state.NewValue(seg, 0)
	check(err)

	children, _ := proc.NewGroup(context.Background())
	for range 4 {
		count.Go(children, v, proc.Share(seg))
	}
	check(children.Wait())
	n, err := v.Load()
	check(err)
	fmt.Println(n)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
