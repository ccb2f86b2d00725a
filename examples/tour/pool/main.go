// Pool has five workers do ten tasks, which come back to callbacks in the parent; and then once more, one after
// the other.
//
// Output, with other process numbers, and the lines of each round in any order:
//
//	end
//	in process 4711
//	...
//	result 104 in process 4700
//	...
//	joined before closed: pool: not closed
//	at least 2 rounds: true less than 10: true
//	one after the other:
//	in process 4713
//	result 100 in process 4700
//	...
//	at least 10 rounds: true
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

type job struct {
	Number int
	Nap    time.Duration
}

var work = pool.Task("work", func(_ context.Context, j job) (int, error) {
	time.Sleep(j.Nap)
	fmt.Println("in process", os.Getpid())
	return j.Number + 100, nil
})

func main() {
	proc.Main()
	nap := flag.Duration("nap", 2*time.Second, "how long a task takes")
	flag.Parse()
	ctx := context.Background()

	p, err := pool.New(ctx, pool.Workers(5))
	check(err)
	begin := time.Now()
	for n := range 10 {
		work.Go(ctx, p, job{n, *nap}).OnDone(func(n int, err error) {
			check(err)
			fmt.Println("result", n, "in process", os.Getpid()) // one connection to a database would do
		})
	}
	fmt.Println("end")
	fmt.Println("joined before closed:", p.Join(ctx))
	check(p.Close())
	check(p.Join(ctx))
	took := time.Since(begin)
	fmt.Println("at least 2 rounds:", took >= 2**nap, "less than 10:", took < 10**nap)

	fmt.Println("one after the other:")
	p, err = pool.New(ctx, pool.Workers(5))
	check(err)
	begin = time.Now()
	for n := range 10 {
		n, err := work.Call(ctx, p, job{n, *nap})
		check(err)
		fmt.Println("result", n, "in process", os.Getpid())
	}
	check(p.Shutdown(ctx))
	fmt.Println("at least 10 rounds:", time.Since(begin) >= 10**nap)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
