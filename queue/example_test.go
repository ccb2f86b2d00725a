package queue_test

import (
	"context"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// order is a message with strings.
type order struct {
	Item  string
	Count int
}

// fill does what is to be done.
func (o order) fill() {}

// clerk takes orders until there are no more, and says of each when it is done.
var clerk = proc.Func("clerk", func(ctx context.Context, orders shm.Ref) error {
	seg, err := proc.Segment(ctx, orders)
	if err != nil {
		return err
	}
	q, err := queue.From[order](seg, orders)
	if err != nil {
		return err
	}
	for o, err := range q.All(ctx) {
		if err != nil {
			return err
		}
		o.fill()
		if err := q.Done(); err != nil {
			return err
		}
	}
	return nil
})

// A process takes what another one puts. (The program's main, or TestMain as here, has called proc.Main.)
func Example() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	q, err := queue.New[order](seg, 16, queue.Joinable())
	if err != nil {
		log.Fatal(err)
	}
	child, err := clerk.Start(ctx, q.Ref(), proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	defer child.Close()
	for _, o := range []order{{"apples", 3}, {"pears", 5}} {
		if err := q.Put(ctx, o); err != nil {
			log.Fatal(err)
		}
	}
	if err := q.Join(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("all is done,", q.Len(), "left")
	if err := q.Shutdown(); err != nil {
		log.Fatal(err)
	}
	if err := child.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: all is done, 0 left
}

// A queue that drops the oldest keeps what is new.
func ExampleDropOldest() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	q, err := queue.New[string](seg, 2, queue.DropOldest())
	if err != nil {
		log.Fatal(err)
	}
	for _, news := range []string{"monday", "tuesday", "wednesday"} {
		if err := q.Put(ctx, news); err != nil {
			log.Fatal(err)
		}
	}
	got := make([]string, 2)
	n, err := q.GetMany(ctx, got)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(got[:n])
	// Output: [tuesday wednesday]
}
