// Barrier has three children meet twice: nobody is at the second part before all are through with the first.
//
// Output:
//
//	first part
//	first part
//	first part
//	second part
//	second part
//	second part
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

var parts = proc.Func("parts", func(ctx context.Context, b *sync.Barrier) error {
	for _, part := range []string{"first", "second"} {
		fmt.Println(part, "part")
		if _, err := b.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
})

func main() {
	proc.Main()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	b, err := sync.NewBarrier(seg, 3)
	check(err)

	children, _ := proc.NewGroup(context.Background())
	for range 3 {
		parts.Go(children, b, proc.Share(seg))
	}
	check(children.Wait())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
