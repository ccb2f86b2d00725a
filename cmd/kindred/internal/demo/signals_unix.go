//go:build linux || darwin

package demo

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stopWithin = time.Second // a process in an uninterruptible wait stops only after it
	pollEvery  = 100 * time.Microsecond
)

// children sends signals to children of this process.
type children struct{}

func (c children) stop(ctx context.Context, pid int) error {
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return gone(err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	for {
		yes, err := stopped(pid)
		if yes {
			return nil
		}
		if err == nil {
			err = pause(ctx, pollEvery)
		}
		if err != nil {
			return errors.Join(errNotStopped, c.resume(pid))
		}
	}
}

func (children) resume(pid int) error {
	if err := unix.Kill(pid, unix.SIGCONT); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

func (children) kill(pid int) error { return unix.Kill(pid, unix.SIGKILL) }

func gone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return errNotStopped
	}
	return err
}
