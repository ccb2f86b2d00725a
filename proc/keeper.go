package proc

import (
	"context"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/keeper"
)

// hold has the open files, and the segments, that handles in the arguments name kept until release is called: the child fetches them
// while it decodes the arguments. See package internal/keeper.
func hold[A any](ctx context.Context, args *A) (release func(), err error) {
	var all []func()
	release = func() {
		for _, end := range all {
			end()
		}
	}
	c, err := codec.For[A]()
	if err == nil {
		err = c.Handles(args, func(h codec.Handle, _ fmt.Stringer) error {
			end, err := keeper.Hold(ctx, h)
			all = append(all, end)
			return err
		})
	}
	if err != nil {
		release()
		return func() {}, fmt.Errorf("arguments: %w", err)
	}
	return release, nil
}
