package pool

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnAnswerHasTheDeathAndTheErrorBesideIt(t *testing.T) {
	died := &WorkerDied{Task: "some", Pid: 7, Code: 3, Attempts: 1, fault: errors.New("mad")}
	for _, beside := range []error{nil, ErrClosed, ErrBroken, context.Canceled, context.DeadlineExceeded} {
		err := error(died)
		if beside != nil {
			err = fmt.Errorf("%w, and cannot begin it again: %w", died, beside)
		}
		got := answered(answer(err))
		require.EqualError(t, got, err.Error())
		var as *WorkerDied
		require.ErrorAs(t, got, &as)
		require.Equal(t, died, as)
		if beside != nil {
			require.ErrorIs(t, got, beside)
		}
	}
	require.ErrorIs(t, answered(answer(fmt.Errorf("no: %w", ErrDepth))), ErrDepth)
	require.EqualError(t, answered(answer(errors.New("another"))), "another")
}
