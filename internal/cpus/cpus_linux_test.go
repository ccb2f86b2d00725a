package cpus

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/cgroup"
)

// files are those of groups, by their paths below the mounts v1 and v2.
type files map[string]string

func (f files) write(t *testing.T) (dir string) {
	dir = t.TempDir()
	for name, text := range f {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}

func TestSmallestQuotaOfTheGroupAndThoseAboveCounts(t *testing.T) {
	const both = "2:cpu,cpuacct:/a/b\n0::/a/b\n"
	for name, c := range map[string]struct {
		groups string
		files  files
		want   int
	}{
		"v2, own":         {both, files{"v2/a/b/cpu.max": "200000 100000\n", "v2/a/cpu.max": "max 100000\n"}, 2},
		"v2, above":       {both, files{"v2/a/b/cpu.max": "400000 100000\n", "v2/a/cpu.max": "300000 100000\n"}, 3},
		"v2, mount":       {both, files{"v2/a/b/cpu.max": "max 100000\n", "v2/cpu.max": "50000 10000\n"}, 5},
		"v2, root":        {"0::/\n", files{"v2/cpu.max": "50000 10000\n"}, 5},
		"v2, beside":      {both, files{"v2/a/c/cpu.max": "100000 100000\n", "v2/a/b/c/cpu.max": "100000 100000\n"}, none},
		"v2, rounded up":  {both, files{"v2/a/b/cpu.max": "200001 100000\n"}, 3},
		"v2, less than 1": {both, files{"v2/a/b/cpu.max": "1000 100000\n"}, 1},
		"v2, huge":        {both, files{"v2/a/b/cpu.max": "4611686018427387903 1\n"}, min(4611686018427387903, none)},
		"v1, own": {both, files{"v1/a/b/cpu.cfs_quota_us": "150000\n", "v1/a/b/cpu.cfs_period_us": "50000\n",
			"v1/cpu.cfs_quota_us": "-1\n", "v1/cpu.cfs_period_us": "100000\n"}, 3},
		"v1, above": {both, files{"v1/a/b/cpu.cfs_quota_us": "-1\n", "v1/a/b/cpu.cfs_period_us": "100000\n",
			"v1/a/cpu.cfs_quota_us": "110000\n", "v1/a/cpu.cfs_period_us": "100000\n"}, 2},
		"v1, none":      {both, files{"v1/a/b/cpu.cfs_quota_us": "-1\n", "v1/a/b/cpu.cfs_period_us": "100000\n"}, none},
		"v1, no period": {both, files{"v1/a/b/cpu.cfs_quota_us": "100000\n"}, none},
		"v1 and v2": {both, files{"v1/a/b/cpu.cfs_quota_us": "400000\n", "v1/a/b/cpu.cfs_period_us": "100000\n",
			"v2/a/b/cpu.max": "300000 100000\n"}, 3},
		"unreadable":  {both, files{"v2/a/b/cpu.max/not-a-file": ""}, none},
		"empty":       {both, files{"v2/a/b/cpu.max": ""}, none},
		"nonsense":    {both, files{"v2/a/b/cpu.max": "many few\n", "v2/a/cpu.max": "1 2 3\n"}, none},
		"period 0":    {both, files{"v2/a/b/cpu.max": "100000 0\n"}, none},
		"other group": {"2:memory:/a/b\n", files{"v1/a/b/cpu.cfs_quota_us": "1\n", "v1/a/b/cpu.cfs_period_us": "1\n"}, none},
	} {
		t.Run(name, func(t *testing.T) {
			dir := c.files.write(t)
			mounts := "30 22 0:26 / " + dir + "/v2 rw - cgroup2 cgroup2 rw\n" +
				"33 30 0:30 / " + dir + "/v1 rw - cgroup cgroup rw,cpu,cpuacct\n"
			require.Equal(t, c.want, smallest(cgroup.Find(c.groups, mounts, "cpu")))
		})
	}
}

func TestAllowedIsFromOneToWhatTheAffinityLeaves(t *testing.T) {
	require.GreaterOrEqual(t, Allowed(), 1)
	require.LessOrEqual(t, Allowed(), runtime.NumCPU())
}
