package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

// failing returns an error of that kind.
var failing = pool.Task("failing", func(_ context.Context, kind string) (int, error) {
	switch kind {
	case "canceled":
		return 0, fmt.Errorf("gave up: %w", context.Canceled)
	case "deadline":
		return 0, fmt.Errorf("too slow: %w", context.DeadlineExceeded)
	}
	return 0, errors.New(kind)
})

func TestErrorOfATaskHasItsText(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	_, err := failing.Call(testContext(t), p, "no such file")
	var failed *pool.TaskError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "failing", failed.Task)
	require.Equal(t, "no such file", failed.Text)
	require.EqualError(t, err, `pool: task "failing": no such file`)
	require.NotErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, context.DeadlineExceeded)

	long := strings.Repeat("long ", 1<<18)
	_, err = failing.Call(testContext(t), p, long)
	require.ErrorAs(t, err, &failed)
	require.Equal(t, long, failed.Text)
	require.Equal(t, before, pids(p))
}

func TestContextsErrorsAreFoundInTheErrorOfATask(t *testing.T) {
	p := newPool(t, 1)
	_, err := failing.Call(testContext(t), p, "canceled")
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, `pool: task "failing": gave up: context canceled`)
	_, err = failing.Call(testContext(t), p, "deadline")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, `pool: task "failing": too slow: context deadline exceeded`)
}

// panicking does what its input says, in a function of that name.
var panicking = pool.Task("panicking", func(_ context.Context, with string) (int, error) {
	return fallIntoThePit(with), nil
})

//go:noinline
func fallIntoThePit(with string) int {
	var p *profile
	switch with {
	case "a nil pointer":
		return len(p.Name)
	case "nil":
		panic(nil)
	case "an error":
		panic(fmt.Errorf("wrapped: %w", context.Canceled))
	case "what panics":
		panic(bottomless{})
	case "Goexit":
		runtime.Goexit()
	}
	panic(with)
}

// bottomless is an error that panics when it is asked for its text.
type bottomless struct{}

func (bottomless) Error() string { panic("deeper") }

func TestPanicHasItsTextAndStackAndTheWorkerLivesOn(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for with, want := range map[string]string{
		"some text":          "some text",
		"a NUL \x00 in text": "a NUL \x00 in text",
		"a nil pointer":      "runtime error: invalid memory address or nil pointer dereference",
		"nil":                "panic called with nil argument",
		"an error":           "wrapped: context canceled",
		"what panics":        "deeper",
	} {
		_, err := panicking.Call(testContext(t), p, with)
		var panicked *pool.PanicError
		require.ErrorAs(t, err, &panicked, with)
		require.Equal(t, "panicking", panicked.Task)
		require.Contains(t, panicked.Value, want)
		require.Contains(t, panicked.Stack, "fallIntoThePit")
		require.Contains(t, panicked.Stack, "outcome_process_test.go")
		require.ErrorContains(t, err, `pool: task "panicking" panicked: `+panicked.Value)
		require.ErrorContains(t, err, panicked.Stack)
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

func TestGoexitInATaskIsItsErrorAndTheWorkerLivesOn(t *testing.T) {
	p := newPool(t, 1)
	before := pids(p)
	for range 10 {
		_, err := panicking.Call(testContext(t), p, "Goexit")
		require.EqualError(t, err, `pool: task "panicking": it called runtime.Goexit`)
	}
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}

// MaxMessage is about results.
func TestErrorsComeHoweverLittleAMessageMayHave(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1, append(opts, pool.MaxMessage(100))...)
			ctx := testContext(t)
			_, err := unlucky.Call(ctx, p, 10_000)
			var failed *pool.TaskError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, strings.Repeat("x", 10_000)+errUnlucky.Error(), failed.Text)
			require.ErrorIs(t, err, errUnlucky)

			_, err = unlucky.Call(ctx, p, 100_000)
			require.ErrorAs(t, err, &failed)
			require.Greater(t, len(failed.Text), 16_000)
			require.Less(t, len(failed.Text), 17_000)
			require.ErrorIs(t, err, errUnlucky)

			var panicked *pool.PanicError
			_, err = panicking.Call(ctx, p, "short")
			require.ErrorAs(t, err, &panicked)
			require.Equal(t, "short", panicked.Value)
			require.Contains(t, panicked.Stack, "fallIntoThePit")

			for got, err := range unlucky.Map(ctx, p, slices.Values([]int{1, 2, 3}), pool.Chunk(3)) {
				require.Zero(t, got)
				require.ErrorIs(t, err, errUnlucky)
			}

			_, err = panics.Call(ctx, p, 100_000)
			require.ErrorAs(t, err, &panicked)
			require.Greater(t, len(panicked.Value), 8_000)
			require.Contains(t, panicked.Stack, "outcome_process_test.go")
			require.Less(t, len(panicked.Value)+len(panicked.Stack), 17_000)
		})
	}
}

var (
	unlucky = pool.Task("unlucky", func(_ context.Context, n int) (int, error) {
		return 0, fmt.Errorf("%s%w", strings.Repeat("x", n), errUnlucky)
	})

	panics = pool.Task("panics", func(_ context.Context, n int) (int, error) { panic(strings.Repeat("x", n)) })
)
