// Namespace has a child set and change attributes of mixed types in a namespace.
//
// Output:
//
//	3 changed by the child
//	[count text]
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

var change = proc.Func("change", func(_ context.Context, n *state.Namespace) error {
	if err := state.Put(n, "text", "changed by the child"); err != nil {
		return err
	}
	return state.Change(n, "count", func(count *int, _ bool) error {
		*count++
		return nil
	})
})

func main() {
	proc.Main()
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	n, err := state.NewNamespace(seg)
	check(err)
	check(state.Put(n, "count", 2))
	check(state.Put(n, "text", "set by the parent"))

	child, err := change.Start(ctx, n, proc.Share(seg))
	check(err)
	check(child.Wait(ctx))

	count, _, err := state.Get[int](n, "count")
	check(err)
	text, _, err := state.Get[string](n, "text")
	check(err)
	fmt.Println(count, text)
	names, err := n.Names()
	check(err)
	fmt.Println(names)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
