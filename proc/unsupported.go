//go:build !linux && !darwin

package proc

import "context"

func start(context.Context, string, []byte, *options) (*Process, error) {
	return nil, ErrUnsupported
}

func (*Process) run(context.Context, []byte) error { return ErrUnsupported }

// What the parts that build everywhere name:

type outputs struct{}

type child struct{}

func claim(string) *child { return nil }

func (*child) main() int { return 0 }
