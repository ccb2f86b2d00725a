package ring

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/shm"
)

// unbarred takes membarrier out.
func unbarred(t *testing.T) {
	if !futex.Owing {
		t.Skip("futex.Owing is false here: every store fences, and none is owed a barrier")
	}
	there := barrier
	t.Cleanup(func() { barrier = there })
	barrier = func() bool { return false }
}

// Nobody gives a turn up that he keeps while he does nothing. Where there is no membarrier, who tries again and
// again takes it in the end, and not before a store of the keeper's has arrived.
func TestWithoutMembarrierWhoTriesTakesTheTurnOfAnIdleWriter(t *testing.T) {
	unbarred(t)
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	b, err := NewBroadcast[uint64](seg, 8)
	require.NoError(t, err)
	keeper, err := b.Writer()
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	keeper.begun()
	keeper.busy.Store(0)
	begin := time.Now()
	ok, err := w.TryPush(1)
	require.NoError(t, err)
	if !ok {
		time.Sleep(2 * unfenced)
		ok, err = w.TryPush(1)
		require.NoError(t, err)
		require.True(t, ok)
	}
	require.GreaterOrEqual(t, time.Since(begin), unfenced)
	require.NoError(t, keeper.Push(over(), 2))
}

func TestWithoutMembarrierTheEndOfAStreamIsFoundBehindAnIdleWriter(t *testing.T) {
	unbarred(t)
	theirs, w, s := closedAtAPush(t)
	defer theirs.Close()
	w.busy.Store(0)
	time.Sleep(2 * unfenced) // since the first look
	_, ok, err := s.TryNext()
	require.ErrorIs(t, err, ErrClosed)
	require.False(t, ok)
}
