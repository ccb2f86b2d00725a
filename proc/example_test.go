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
