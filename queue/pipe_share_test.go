package queue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
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
	far := proctest.Attach(t, seg)
	e, err := a.End()
	require.NoError(t, err)
	maker, err := PipeFrom[string, string](far, e)
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.False(t, b.there.deserted(func(segment.Owner) bool { return false }))
	look := func() bool {
		return b.there.deserted(func(o segment.Owner) bool {
			require.Equal(t, far.Engine().Self(), o)
			if _, share, err := maker.here.pass(maker.object); err != nil || share != 0 {
				t.Error(share, err)
			}
			return true
		})
	}
	require.False(t, look())
	require.False(t, b.there.deserted(func(segment.Owner) bool { return true }), "it is on its way")
	require.NoError(t, b.Close())
	require.NoError(t, maker.Close())
}
