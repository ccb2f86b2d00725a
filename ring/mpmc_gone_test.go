package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// A producer dies right behind the store that commits, and what it pushed is popped: its lane's tail is behind the
// head. The room of that lane is there for those who push to others.
func TestMPMCRoomOfADeadProducerWhoseLastValueWasPopped(t *testing.T) {
	const capacity = 100
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	f, err := seg.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := shm.FromFile(f)
	require.NoError(t, err)
	m, err := NewMPMC[uint64](seg, capacity)
	require.NoError(t, err)
	dying, err := MPMCFrom[uint64](other, m.Ref())
	require.NoError(t, err)

	ok, err := dying.TryPush(1)
	require.NoError(t, err)
	require.True(t, ok)
	l := &dying.lanes[dying.here.way.Load()&wayLane]
	require.EqualValues(t, 1, l.tail.Load())
	l.tail.Store(0)
	l.lock.Store(uint64(other.Engine().Self()))
	require.NoError(t, other.Close())

	_, ok, err = m.TryPop()
	require.NoError(t, err)
	require.True(t, ok)
	for i := range uint64(capacity) {
		ok, err := m.TryPush(i)
		require.NoError(t, err)
		require.True(t, ok, "value %d", i)
	}
	ok, err = m.TryPush(capacity)
	require.NoError(t, err)
	require.False(t, ok)
	for i := range uint64(capacity) {
		v, ok, err := m.TryPop()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i, v)
	}
}
