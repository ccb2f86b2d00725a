package pool_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/kindred-ipc/kindred/pool"
)

// program is a program with a pool, which it never closes: the test is its user.
func program(mode string) int {
	p, err := pool.New(context.Background(), pool.Workers(2))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if got, err := double.Call(context.Background(), p, 21); err != nil || got != 42 {
		fmt.Println(got, err)
		return 1
	}
	if mode == "program with busy workers" {
		for range 2 {
			go func() { _, _ = ignore.Call(context.Background(), p, "") }()
		}
		for _, w := range p.Workers() {
			for w.Running == nil {
				time.Sleep(tick)
				w = p.Workers()[w.ID]
			}
		}
	}
	fmt.Println(p.Workers()[0].Pid, p.Workers()[1].Pid)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	return 0
}
