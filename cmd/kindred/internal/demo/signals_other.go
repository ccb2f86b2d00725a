//go:build !linux && !darwin

package demo

import (
	"context"
	"errors"
)

// children stops no process here: there is no pool either.
type children struct{}

func (children) stop(context.Context, int) error { return errors.ErrUnsupported }
func (children) resume(int) error                { return errors.ErrUnsupported }
func (children) kill(int) error                  { return errors.ErrUnsupported }
