// Lock has ten children print on one screen, a line in several writes, under a lock: no lines are mixed. With
// -nolock they are.
//
// Output, in any order:
//
//	hello world 3
//	hello world 0
//	...
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

type job struct {
	Screen *sync.Mutex
	Number int
	NoLock bool
}

var hello = proc.Func("hello", func(ctx context.Context, j job) error {
	if !j.NoLock {
		if err := j.Screen.Lock(ctx); err != nil {
			return err
		}
		defer j.Screen.Unlock()
	}
	for _, part := range []string{"hello ", "world ", fmt.Sprint(j.Number), "\n"} {
		fmt.Print(part)
		time.Sleep(time.Millisecond)
	}
	return nil
})

func main() {
	proc.Main()
	nolock := flag.Bool("nolock", false, "show the mess")
	flag.Parse()
	seg, err := shm.Anonymous(1 << 20)
	check(err)
	screen, err := sync.NewMutex(seg)
	check(err)

	children, _ := proc.NewGroup(context.Background())
	for n := range 10 {
		hello.Go(children, job{screen, n, *nolock}, proc.Share(seg))
	}
	check(children.Wait())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
