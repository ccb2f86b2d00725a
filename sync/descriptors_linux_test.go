package sync_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/sync"
)

// Whoever waits on a process watches it, by a descriptor that goes with the death, or with Close.
func TestDeathsLeaveNoDescriptors(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	ctx := bounded(t)
	cycle := func() {
		s, p := newStage(t)
		for range 3 {
			child := start(t, holder, s, p)
			require.NoError(t, p.ready.Acquire(ctx, 1))
			result := blocked(ctx, p.mu)
			asleep(t, p.mu)
			kill(t, child)
			require.ErrorIs(t, <-result, sync.ErrOwnerDied)
			require.NoError(t, p.mu.MarkConsistent())
			require.NoError(t, p.mu.Unlock())
		}
		child := start(t, holder, s, p)
		require.NoError(t, p.ready.Acquire(ctx, 1))
		result := blocked(ctx, p.mu)
		asleep(t, p.mu)
		require.NoError(t, p.seg.Close())
		require.Error(t, <-result)
		require.NoError(t, child.Close())
	}
	cycle() // the poller has descriptors of its own
	before := descriptors()
	for range 5 {
		cycle()
	}
	// The watch of a process that died closes its descriptor on its own time.
	require.Eventually(t, func() bool { return descriptors() <= before }, time.Minute, time.Millisecond)
}
