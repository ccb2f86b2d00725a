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
