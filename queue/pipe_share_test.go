package queue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// An End is made, in a share that was looked at already, and its maker's is given up before that is looked at.
func TestAnEndThatIsMadeDuringTheLookForSharesCounts(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	a, b, err := NewPipe[string, string](seg, 4)
	require.NoError(t, err)
	const maker = uint64(1)<<20 | 700 // whoever that is
	a.here.shares[1].Store(maker)
	require.NoError(t, a.Close())
	require.False(t, b.there.deserted(func(segment.Owner) bool { return false }))
	look := func() bool {
		return b.there.deserted(func(o segment.Owner) bool {
			require.Equal(t, segment.OwnerOf(maker), o)
			if share, _, err := b.there.pass(); err != nil || share != 0 {
				t.Error(share, err)
			}
			return true
		})
	}
	require.False(t, look())
	require.False(t, b.there.deserted(func(segment.Owner) bool { return true }), "it is on its way")
	require.NoError(t, b.Close())
}
