package segment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
)

func TestAThrongIsMoreProcessesThanCPUsInABriskStream(t *testing.T) {
	s, offs := fields(t, 1)
	p := s.Point(offs[0], Shared)
	passed := uint64(0)
	in := func(more uint64) bool {
		passed += more
		return p.throng.in(p, passed)
	}
	for n := 1; n < futex.CPUs(); n++ {
		require.False(t, in(brisk), "%d, and %d CPUs", n, futex.CPUs())
		again(t, s, Config{}).Point(offs[0], Shared)
	}
	require.False(t, in(brisk), "one for each CPU")
	last := mortal(t, s)
	last.Point(offs[0], Shared)
	require.True(t, in(brisk))
	require.False(t, in(brisk-1), "few have passed since")
	require.True(t, in(1<<40))
	require.False(t, in(0))

	die(t, last)
	s.sweepAll()
	require.True(t, in(brisk), "who died is counted until somebody comes")
	again(t, s, Config{})
	require.True(t, in(brisk), "one who does not meet the others here")
	again(t, s, Config{}).Point(offs[0], Shared)
	require.True(t, in(brisk))
	require.EqualValues(t, futex.CPUs()+1, p.throng.met.Load())
}
