package sync_test

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/sync"
)

// codeOf is what came of a call, for the record. It reports false for what should not come of any.
func codeOf(err error) (linear.Code, bool) {
	switch {
	case err == nil:
		return linear.OK, true
	case errors.Is(err, sync.ErrOwnerDied):
		return linear.OwnerDied, true
	case errors.Is(err, sync.ErrNotRecoverable):
		return linear.NotRecoverable, true
	case linear.Over(err):
		return linear.TimedOut, true
	}
	return 0, false
}

// note records what came of a call, and returns err if that should not have come.
func note(c *linear.Client, err error, outs ...uint64) (linear.Code, error) {
	code, ok := codeOf(err)
	if !ok {
		return 0, err
	}
	c.Return(code, outs...)
	return code, nil
}

// noteTry is note for calls that do not wait.
func noteTry(c *linear.Client, got bool, err error) (linear.Code, error) {
	if !got && err == nil {
		c.Return(linear.Refused)
		return linear.Refused, nil
	}
	return note(c, err)
}
