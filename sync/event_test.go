package sync_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// events is one Event, through two participants.
func events(t testing.TB) (a, b *sync.Event) {
	t.Helper()
	s := anonymous(t)
	a, err := sync.NewEvent(s)
	require.NoError(t, err)
	b, err = sync.EventFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}

// within is a context of that long.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAnEventIsNotSetAtFirst(t *testing.T) {
	a, b := events(t)
	require.False(t, a.IsSet())
	require.False(t, b.IsSet())
	require.ErrorIs(t, b.Wait(over()), context.Canceled)

	begin := time.Now()
	require.ErrorIs(t, b.Wait(within(t, 20*time.Millisecond)), context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
}

func TestASetEventLetsEverybodyPass(t *testing.T) {
	a, b := events(t)
	require.NoError(t, a.Set())
	require.NoError(t, a.Set())
	for _, e := range []*sync.Event{a, b} {
		require.True(t, e.IsSet())
		require.NoError(t, e.Wait(over()), "who need not wait does not look at the context")
	}
	require.NoError(t, b.Clear())
	require.False(t, a.IsSet())
	require.ErrorIs(t, a.Wait(over()), context.Canceled)
}

// TestWhoWaitsWhenAnEventIsSetGoesOnThoughItBeClearedAtOnce has waiters that are sure to look too late.
func TestWhoWaitsWhenAnEventIsSetGoesOnThoughItBeClearedAtOnce(t *testing.T) {
	a, b := events(t)
	const waiters = 8
	done := make(chan error, waiters)
	for range waiters {
		go func() { done <- b.Wait(bounded(t)) }()
	}
	queued(t, b, waiters)
	require.NoError(t, a.Set())
	require.NoError(t, a.Clear())
	for range waiters {
		require.NoError(t, <-done)
	}
}

// queued returns when n goroutines of this process wait for e.
func queued(t testing.TB, e *sync.Event, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return sync.QueuedAtEvent(e) == n }, time.Minute, time.Millisecond)
}

func TestAnEventOfAClosedSegment(t *testing.T) {
	s := anonymous(t)
	mine := again(t, s)
	e, err := sync.NewEvent(mine)
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- e.Wait(bounded(t)) }()
	queued(t, e, 1)
	require.NoError(t, mine.Close())
	require.ErrorIs(t, <-done, shm.ErrClosed)
	require.ErrorIs(t, e.Set(), shm.ErrClosed)
	require.ErrorIs(t, e.Clear(), shm.ErrClosed)
	require.ErrorIs(t, e.Wait(bounded(t)), shm.ErrClosed)
	require.False(t, e.IsSet())
}

func TestTheFastPathsOfAnEventDoNotAllocate(t *testing.T) {
	a, _ := events(t)
	ctx := context.Background()
	require.NoError(t, a.Set())
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !a.IsSet() || a.Wait(ctx) != nil || a.Clear() != nil || a.Set() != nil {
			panic("an event that is set does not let pass")
		}
	}))
}

// signals are the events of a child's conversation with its parent.
type signals struct{ Go, Ready shm.Ref }

var answersEvents = proc.Func("sync_test.answersEvents", func(ctx context.Context, s signals) error {
	seg := proc.Segments(ctx)[0]
	start, err := sync.EventFrom(seg, s.Go)
	if err != nil {
		return err
	}
	ready, err := sync.EventFrom(seg, s.Ready)
	if err != nil {
		return err
	}
	for range 100 {
		if err := start.Wait(ctx); err != nil {
			return err
		}
		if err := start.Clear(); err != nil {
			return err
		}
		if err := ready.Set(); err != nil {
			return err
		}
	}
	return nil
})

func TestEventsBetweenProcesses(t *testing.T) {
	seg := anonymous(t)
	start, err := sync.NewEvent(seg)
	require.NoError(t, err)
	ready, err := sync.NewEvent(seg)
	require.NoError(t, err)
	child, err := answersEvents.Start(bounded(t), signals{start.Ref(), ready.Ref()}, proc.Share(seg))
	require.NoError(t, err)
	defer child.Close()
	for range 100 {
		require.NoError(t, start.Set())
		require.NoError(t, ready.Wait(bounded(t)))
		require.NoError(t, ready.Clear())
	}
	require.NoError(t, child.Wait(bounded(t)))
}

func TestAnEventInAStructOfTheUsers(t *testing.T) {
	type gate struct {
		_     int64
		state sync.EventState
		once  sync.OnceState
	}
	seg := anonymous(t)
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 256})
	require.NoError(t, err)
	g := as[gate](o)
	e, err := sync.EventAt(seg, &g.state)
	require.NoError(t, err)
	require.NoError(t, e.Set())
	require.NoError(t, e.Wait(over()))
	once, err := sync.OnceAt(seg, &g.once)
	require.NoError(t, err)
	require.NoError(t, once.Do(bounded(t), func() error { return nil }))
	require.True(t, once.Done())

	_, err = sync.EventAt(seg, new(sync.EventState))
	require.ErrorIs(t, err, shm.ErrStale)
	_, err = sync.OnceAt(seg, new(sync.OnceState))
	require.ErrorIs(t, err, shm.ErrStale)
}
