package sync_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// onces is one Once, through two participants.
func onces(t testing.TB) (a, b *sync.Once) {
	t.Helper()
	s := anonymous(t)
	a, err := sync.NewOnce(s)
	require.NoError(t, err)
	b, err = sync.OnceFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}

func TestOnceIsDoneOnce(t *testing.T) {
	a, b := onces(t)
	times := 0
	results := make(chan error)
	for i := range 20 {
		go func() {
			o := a
			if i%2 == 0 {
				o = b
			}
			results <- o.Do(bounded(t), func() error { times++; return nil })
		}()
	}
	for range 20 {
		require.NoError(t, <-results)
	}
	require.Equal(t, 1, times)
	require.True(t, a.Done())
	require.True(t, b.Done())
	require.NoError(t, b.Do(over(), nil), "who need not wait does not look at the context")
}

func TestWhatFailsIsDoneAgain(t *testing.T) {
	a, b := onces(t)
	ctx := bounded(t)
	failure := errors.New("failure")
	require.ErrorIs(t, a.Do(ctx, func() error { return failure }), failure)
	require.False(t, a.Done())
	require.PanicsWithValue(t, "no", func() { _ = b.Do(ctx, func() error { panic("no") }) })
	require.NoError(t, a.Do(ctx, func() error { return nil }))
	require.True(t, b.Done())
}

func TestWhoWaitsForAOnceGivesUpInTime(t *testing.T) {
	a, b := onces(t)
	require.NoError(t, a.Do(bounded(t), func() error {
		require.ErrorIs(t, b.Do(over(), func() error { panic("twice") }), context.Canceled)
		return nil
	}))
}

func TestAOnceOfAClosedSegment(t *testing.T) {
	s := anonymous(t)
	mine := again(t, s)
	o, err := sync.NewOnce(mine)
	require.NoError(t, err)
	require.NoError(t, mine.Close())
	require.ErrorIs(t, o.Do(bounded(t), func() error { panic("not of a closed one") }), shm.ErrClosed)
	require.False(t, o.Done())
}

type work struct{ Once, Begun shm.Ref }

var neverDone = proc.Func("sync_test.neverDone", func(ctx context.Context, w work) error {
	seg := proc.Segments(ctx)[0]
	once, err := sync.OnceFrom(seg, w.Once)
	if err != nil {
		return err
	}
	begun, err := sync.EventFrom(seg, w.Begun)
	if err != nil {
		return err
	}
	return once.Do(ctx, func() error {
		if err := begun.Set(); err != nil {
			return err
		}
		select {}
	})
})

func TestWhatDiedHalfWayIsDoneByTheNext(t *testing.T) {
	seg := anonymous(t)
	once, err := sync.NewOnce(seg)
	require.NoError(t, err)
	begun, err := sync.NewEvent(seg)
	require.NoError(t, err)
	child, err := neverDone.Start(bounded(t), work{once.Ref(), begun.Ref()}, proc.Share(seg))
	require.NoError(t, err)
	defer child.Close()
	require.NoError(t, begun.Wait(bounded(t)))
	done := make(chan error)
	ran := false
	go func() { done <- once.Do(bounded(t), func() error { ran = true; return nil }) }()
	kill(t, child)
	require.NoError(t, <-done)
	require.True(t, ran)
	require.True(t, once.Done())
}
