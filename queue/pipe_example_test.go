package queue_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// shouter answers each text, until there are no more.
var shouter = proc.Func("shouter", func(ctx context.Context, p *queue.Pipe[int, string]) error {
	for {
		text, err := p.Recv(ctx)
		if err == io.EOF {
			return nil // the other end is closed
		}
		if err != nil {
			return err
		}
		if err := p.Send(ctx, len(text)); err != nil {
			return err
		}
	}
})

// A process answers what another one sends. (The program's main, or TestMain as here, has called proc.Main.)
func ExampleNewPipe() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	here, there, err := queue.NewPipe[string, int](seg, 4)
	if err != nil {
		log.Fatal(err)
	}
	child, err := shouter.Start(ctx, there, proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	defer child.Close()
	if err := there.Close(); err != nil { // the child alone has that end
		log.Fatal(err)
	}
	for _, text := range []string{"short", strings.Repeat("long", 1000)} {
		if err := here.Send(ctx, text); err != nil {
			log.Fatal(err)
		}
		n, err := here.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(n)
	}
	if err := here.Close(); err != nil {
		log.Fatal(err)
	}
	if err := child.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 5
	// 4000
}
