// Greet starts a child that puts a message into a queue. It is the second program of the README.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

var greet = proc.Func("greet", func(ctx context.Context, q *queue.Queue[string]) error {
	return q.Put(ctx, "hello")
})

func main() {
	proc.Main()
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20) // 1 MiB, for this process and those that get it
	if err != nil {
		log.Fatal(err)
	}
	q, err := queue.New[string](seg, 16)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := greet.Start(ctx, q, proc.Share(seg)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Get(ctx))
}
