//go:build linux || darwin

package proc_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/proc"
)

var divide = proc.Func("divide", func(_ context.Context, n [2]int) error {
	if n[1] == 0 {
		return errors.New("division by zero")
	}
	fmt.Println(n[0] / n[1])
	return nil
})

// The program's main, or TestMain as here, has called proc.Main.
func Example() {
	ctx := context.Background()
	for _, numbers := range [][2]int{{42, 6}, {1, 0}} {
		child, err := divide.Start(ctx, numbers)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := child.Wait(ctx); err != nil {
			var exit *proc.ExitError
			fmt.Println(errors.As(err, &exit), exit.Code, exit.Text)
		}
	}
	// Output:
	// 7
	// true 1 division by zero
}

// The first that fails ends the others.
func ExampleGroup() {
	g, _ := proc.NewGroup(context.Background())
	for _, numbers := range [][2]int{{1, 0}} {
		divide.Go(g, numbers, proc.Name("the first"))
	}
	var exit *proc.ExitError
	fmt.Println(errors.As(g.Wait(), &exit), exit.Name, exit.Text)
	// Output: true the first division by zero
}

// A set of two children that wait makes starts quick.
func ExampleWarm() {
	ctx := context.Background()
	warm, err := divide.Warm(ctx, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer warm.Close()
	for n := 1; n <= 3; n++ {
		child, err := warm.Start(ctx, [2]int{6, n})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := child.Wait(ctx); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 6
	// 3
	// 2
}
