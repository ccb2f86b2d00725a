package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/kindred-ipc/kindred/pool"
)

// A task is declared where parent and workers pass before main.
var words = pool.Task("words", func(_ context.Context, line string) (int, error) {
	if line == "poison" {
		os.Exit(3) // as a crash would
	}
	return len(strings.Fields(line)), nil
})

// A program calls proc.Main first in its main function; here, TestMain does.
func Example() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Workers(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Shutdown(ctx)

	n, err := words.Call(ctx, p, "in another process")
	fmt.Println(n, err)

	lines := slices.Values([]string{"one", "and two", "poison", "and then four"})
	for n, err := range words.Map(ctx, p, lines) {
		if err != nil {
			fmt.Println("lost, alone:", err.(*pool.WorkerDied).Code)
			continue
		}
		fmt.Println(n)
	}
	// Output:
	// 3 <nil>
	// 1
	// 2
	// lost, alone: 3
	// 3
}

// The results of a slice of inputs, all at once. The first input that has an error is told; the others have their results.
func ExampleTyped_MapSlice() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Workers(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Shutdown(ctx)

	counts, err := words.MapSlice(ctx, p, []string{"one", "and two", "poison", "and then four"})
	var failed *pool.InputError
	if errors.As(err, &failed) {
		fmt.Println("lost, alone: input", failed.Index)
	}
	fmt.Println(counts)
	// Output:
	// lost, alone: input 2
	// [1 2 0 3]
}

// Futures are calls that nobody waits for yet.
func ExampleTyped_Go() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Workers(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Shutdown(ctx)

	fs := words.GoMany(ctx, p, []string{"one", "and two", "poison"})
	fs[0].OnDone(func(n int, err error) { fmt.Println("in this process:", n, err) })
	n, err := fs[1].Wait(ctx)
	fmt.Println(n, err)
	_, err = pool.WaitAll(ctx, fs...)
	fmt.Println(err.(*pool.WorkerDied).Code)
	// Unordered output:
	// in this process: 1 <nil>
	// 2 <nil>
	// 3
}
