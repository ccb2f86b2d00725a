package pool

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/cgroup"
)

func TestCounterOfOOMKillsIsThatOfTheGroupItselfInEitherVersion(t *testing.T) {
	require.Equal(t, []string{"/v1/service/memory.oom_control", "/v2/a/b/memory.events.local", "/v2/a/b/memory.events"},
		oomFiles([]cgroup.Group{
			{Dirs: []string{"/v1/service", "/v1"}},
			{V2: true, Dirs: []string{"/v2/a/b", "/v2/a", "/v2"}},
		}))
	require.Empty(t, oomFiles(nil))
}

// The counter may be the system's own, or nobody's; what it says is a number that does not shrink.
func TestCounterOfOOMKillsOfThisSystem(t *testing.T) {
	count := systemOOM()
	first, ours, ok := count()
	second, oursAgain, okAgain := count()
	require.GreaterOrEqual(t, second, first)
	require.Equal(t, ours, oursAgain)
	require.Equal(t, ok, okAgain)
}
