package sync

import (
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
	_, err = MutexFrom(seg, hollow(segment.KindMutex, mutexLayout()))
	require.ErrorIs(t, err, shm.ErrCorrupt)
	_, err = SemaphoreFrom(seg, hollow(segment.KindSemaphore, semaphoreLayout()))
	require.ErrorIs(t, err, shm.ErrCorrupt)
}
