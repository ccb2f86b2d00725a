package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What grew is given back: a few runs stay, and an eighth for the control words of small blocks.
func TestMemoryIsGivenBackAfterAPeak(t *testing.T) {
	for _, size := range []uint64{64, 1000, 100 << 10, 30 << 20} {
		s := anonymous(t, 64<<20, Config{})
		before, err := backing(s.file)
		require.NoError(t, err)
		var all []Block
		for total := uint64(0); total < 30<<20; total += size {
			b, err := s.Alloc(size, 0)
			require.NoError(t, err)
			b.Bytes()[0], b.Bytes()[size-1] = 1, 1
			require.NoError(t, b.Settle())
			all = append(all, b)
		}
		peak, err := backing(s.file)
		require.NoError(t, err)
		require.Greater(t, peak, before+28<<20)
		for _, b := range all {
			require.NoError(t, b.Free())
		}
		after, err := backing(s.file)
		require.NoError(t, err)
		require.Less(t, after, before+30<<20/8+(keep+4)<<16, "%d bytes each", size)
		require.NoError(t, s.Check())
		require.Zero(t, s.Stats().Blocks)
		b, err := s.Alloc(40<<20, 0)
		require.NoError(t, err)
		require.Equal(t, make([]byte, 1<<20), b.Bytes()[:1<<20], "all zero")
		require.NoError(t, b.Free())
	}
}

// A segment takes no memory for what is not used yet.
func TestALargeSegmentIsSmallWhenItIsNew(t *testing.T) {
	s := anonymous(t, 1<<30, Config{})
	_, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "x"})
	require.NoError(t, err)
	have, err := backing(s.file)
	require.NoError(t, err)
	require.Less(t, have, uint64(1<<20))
	require.NoError(t, s.Check())
}
