package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCounterOfOOMKillsIsFoundInEitherVersion(t *testing.T) {
	const (
		v2     = "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1     = "33 30 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		docker = "34 30 0:31 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
	)
	for _, c := range []struct {
		groups, mounts string
		want           []string
	}{
		{"0::/user.slice/a.scope\n", v2, []string{
			"/sys/fs/cgroup/user.slice/a.scope/memory.events.local", "/sys/fs/cgroup/user.slice/a.scope/memory.events"}},
		{"0::/\n", v2, []string{"/sys/fs/cgroup/memory.events.local", "/sys/fs/cgroup/memory.events"}},
		{"4:memory:/service\n1:cpu:/x\n", v1, []string{"/sys/fs/cgroup/memory/service/memory.oom_control"}},
		{"4:memory:/docker/0123\n", docker, []string{"/sys/fs/cgroup/memory/memory.oom_control"}},
		{"4:memory:/docker/0123/below\n", docker, []string{"/sys/fs/cgroup/memory/below/memory.oom_control"}},
		{"4:memory:/docker/01234\n", docker, nil},
		{"4:cpu:/\nnonsense\n", v1, nil},
		{"", "", nil},
	} {
		require.Equal(t, c.want, oomFiles(c.groups, c.mounts), c.groups)
	}
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
