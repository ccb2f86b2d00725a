// Pipe has a child send two lists through a pipe of two ways, and close its end: a third receive does not hang.
//
// Output:
//
//	[42 <nil> hello from child]
//	[42 <nil> hello from child2]
//	EOF
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

var send = proc.Func("send", func(ctx context.Context, p *queue.Pipe[[]any, []any]) error {
	defer p.Close()
	if err := p.Send(ctx, []any{42, nil, "hello from child"}); err != nil {
		return err
	}
	return p.Send(ctx, []any{42, nil, "hello from child2"})
})

func main() {
	proc.Main()
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	ours, theirs, err := queue.NewPipe[[]any, []any](seg, 16)
	check(err)
	child, err := send.Start(ctx, theirs, proc.Share(seg))
	check(err)
	check(theirs.Close()) // the child alone has it now
	for {
		got, err := ours.Recv(ctx)
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(got)
	}
	check(child.Wait(ctx))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
