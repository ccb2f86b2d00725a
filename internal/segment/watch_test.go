package segment

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of one whom nobody can watch, and whom somebody else is sweeping, it is never known whether he lives. Who waits looks for that, and rests
// in between, until his context ends.
func TestADoubtThatStaysDoesNotKeepAWaiterGoing(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context, p *Point, ready func() bool) error{
		"for one": func(ctx context.Context, p *Point, ready func() bool) error {
			return p.Wait(ctx, Wait{Try: ready})
		},
		"for the first of many": func(ctx context.Context, p *Point, ready func() bool) error {
			_, err := WaitAny(ctx, []Waits{{Points: []*Point{p}, Ready: ready}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := point(t, Shared)
			sweeper := again(t, s, Config{})
			m := joined(t, s, p)
			o := m.Self()
			s.slot(o.slot()).pid = 1 << 30 // of no process
			die(t, m)
			require.NoError(t, lockByte(sweeper, o))
			gone, news := s.watch(o)
			require.False(t, gone)
			require.Equal(t, doubtful, news)
			ctx, cancel := context.WithTimeout(t.Context(), 4*SafetyNet)
			defer cancel()
			looks := 0
			require.ErrorIs(t, wait(ctx, p, func() bool { looks++; return false }), context.DeadlineExceeded)
			require.Less(t, looks, 1000)
			require.True(t, p.doubtful.Load())
		})
	}
}

// Without membarrier, those who signal are asked to fence once, and then a wait for the first of many rests as any other.
func TestWithoutMembarrierAWaitForTheFirstOfManyRests(t *testing.T) {
	there := barrier
	t.Cleanup(func() { barrier = there })
	barrier = func() bool { return false }
	_, p := point(t, Shared)
	ctx, cancel := context.WithTimeout(t.Context(), 4*SafetyNet)
	defer cancel()
	looks := 0
	_, err := WaitAny(ctx, []Waits{{Points: []*Point{p}, Ready: func() bool { looks++; return false }}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, looks, 40)
}

// Watches on those who left, and whose processes live on, make room for others.
func TestWatchesOnThoseWhoLeftMakeRoom(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	var others []*Segment
	for range maxWatches {
		other := again(t, s, Config{})
		requireWatched(t, s, other.Self())
		others = append(others, other)
	}
	for _, other := range others {
		require.NoError(t, other.Close())
	}
	requireWatched(t, s, again(t, s, Config{}).Self())
}
