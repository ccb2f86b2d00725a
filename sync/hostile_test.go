package sync

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// TestBodyThatIsTooSmallIsRefused has blocks that say what they are and have no room for it.
func TestBodyThatIsTooSmallIsRefused(t *testing.T) {
	seg, err := shm.Anonymous(1)
	require.NoError(t, err)
	defer seg.Close()
	// A block of one line whose body begins at its end.
	hollow := func(kind segment.Kind, layout uint64) shm.Ref {
		o, err := seg.Engine().New(segment.Spec{Kind: kind, Layout: layout, Align: segment.Line})
		require.NoError(t, err)
		require.Zero(t, o.Size())
		return o.Ref()
	}
	_, err = MutexFrom(seg, hollow(segment.KindMutex, mutexShape.layout()))
	require.ErrorIs(t, err, shm.ErrCorrupt)
	_, err = SemaphoreFrom(seg, hollow(segment.KindSemaphore, semaphoreShape.layout()))
	require.ErrorIs(t, err, shm.ErrCorrupt)
}

// There are never less than no permits: whoever waited for them would wait for ever.
func TestLessThanNoPermitsAreCorruption(t *testing.T) {
	seg, err := shm.Anonymous(1)
	require.NoError(t, err)
	defer seg.Close()
	s, err := NewSemaphore(seg, 0)
	require.NoError(t, err)
	s.state.value.Store(counted ^ -1)
	require.ErrorIs(t, s.Acquire(context.Background(), 1), shm.ErrCorrupt)
	_, err = s.TryAcquire(1)
	require.ErrorIs(t, err, shm.ErrCorrupt)
	require.ErrorIs(t, s.Release(1), shm.ErrCorrupt)
	require.Zero(t, s.Value())
}
