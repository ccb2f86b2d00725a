// Manager has ten children write into a map and a list at the same time. Nothing is lost.
//
// Output, of which the order and the process numbers differ each time:
//
//	[0 1 2 3 4 4711]
//	[0 1 2 3 4 4711 4713 4712]
//	...
//	10 entries: map[4711:4711 4712:4712 ...]
//	15 elements: [0 1 2 3 4 4711 4713 4712 ...]
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

type shared struct {
	Dict *state.Map[int, int]
	List *state.List[int]
}

var work = proc.Func("work", func(_ context.Context, s shared) error {
	pid := os.Getpid()
	if err := s.Dict.Set(pid, pid); err != nil {
		return err
	}
	if err := s.List.Append(pid); err != nil {
		return err
	}
	list, err := s.List.Snapshot()
	fmt.Println(list)
	return err
})

func main() {
	proc.Main()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	dict, err := state.NewMap[int, int](seg)
	check(err)
	list, err := state.NewList[int](seg)
	check(err)
	check(list.Append(0, 1, 2, 3, 4))

	children, _ := proc.NewGroup(context.Background())
	for range 10 {
		work.Go(children, shared{dict, list}, proc.Share(seg))
	}
	check(children.Wait())

	d, err := dict.Snapshot()
	check(err)
	l, err := list.Snapshot()
	check(err)
	fmt.Println(len(d), "entries:", d)
	fmt.Println(len(l), "elements:", l)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
