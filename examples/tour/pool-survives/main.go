// Pool-survives is Pool while in each round one of its workers is killed. Every task completes.
//
// Output, with other numbers:
//
//	worker 4711 was killed at task 3
//	worker 4719 was killed at task 7
//	results: [100 101 102 103 104 105 106 107 108 109]
//	run twice: [3 7]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"slices"
	"syscall"
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
	return j.Number + 100, nil
})

func main() {
	proc.Main()
	nap := flag.Duration("nap", 2*time.Second, "how long a task takes")
	flag.Parse()
	ctx := context.Background()

	var twice []int
	p, err := pool.New(ctx, pool.Workers(5), pool.Retry(2), pool.OnEvent(func(e pool.Event) {
		switch e.Kind {
		case pool.WorkerLost:
			if j, ok := e.Input.(job); ok { // it may have come to its end just then
				fmt.Println("worker", e.Pid, "was killed at task", j.Number)
			}
		case pool.TaskRetried:
			twice = append(twice, e.Input.(job).Number)
		}
	}))
	check(err)
	var tasks []*pool.Future[int]
	for round := range 2 {
		for n := range 5 {
			tasks = append(tasks, work.Go(ctx, p, job{5*round + n, *nap}))
		}
		check(syscall.Kill(busy(p), syscall.SIGKILL))
		_, err := pool.WaitAll(ctx, tasks...)
		check(err)
	}
	results, err := pool.WaitAll(ctx, tasks...)
	check(err)
	check(p.Shutdown(ctx))
	slices.Sort(twice)
	fmt.Println("results:", results)
	fmt.Println("run twice:", twice)
}

// busy is a worker that has a task.
func busy(p *pool.Pool) (pid int) {
	for {
		for _, w := range p.Workers() {
			if w.Running != nil {
				return w.Pid
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
