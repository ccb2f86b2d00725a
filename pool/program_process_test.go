package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
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
	if strings.HasPrefix(mode, "program that is interrupted") {
		return interrupted(p, mode)
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	return 0
}

// interrupted is a program that ends its calls, and its pool, when it is interrupted. The second time the signal does what it
// does to any program.
func interrupted(p *pool.Pool, mode string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	go func() {
		<-ctx.Done()
		stop()
	}()
	before := p.Workers()
	fmt.Println("ready")
	_, err := hold.Call(ctx, p, "")
	stop()
	if !errors.Is(err, context.Canceled) || p.Workers()[0].Pid != before[0].Pid || p.Workers()[1].Pid != before[1].Pid {
		fmt.Println(err, p.Workers(), before)
		return 1
	}
	fmt.Println("interrupted: the call was ended by its context, the worker lives")
	if strings.HasSuffix(mode, "hangs") {
		blockForEver()
	}
	if err := p.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}
