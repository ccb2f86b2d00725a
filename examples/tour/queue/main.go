// Queue has a child put a list of mixed types into a queue, which it got as its argument.
//
// Output:
//
//	[]interface {}{42, interface {}(nil), "hello"}
//	refused: proc: start "putChan-1": arguments: codec: chan []interface {} cannot be encoded
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

var put = proc.Func("put", func(ctx context.Context, q *queue.Queue[[]any]) error {
	return q.Put(ctx, []any{42, nil, "hello"})
})

// putChan would get a queue that lives in its parent's heap.
var putChan = proc.Func("putChan", func(context.Context, chan []any) error { return nil })

func main() {
	proc.Main() // the child is this program, started again: it ends here
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	q, err := queue.New[[]any](seg, 16)
	check(err)

	child, err := put.Start(ctx, q, proc.Share(seg))
	check(err)
	got, err := q.Get(ctx)
	check(err)
	fmt.Printf("%#v\n", got)
	check(child.Wait(ctx))

	_, err = putChan.Start(ctx, make(chan []any))
	fmt.Println("refused:", err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
