package cgroup

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGroupsAreFoundInEitherVersion(t *testing.T) {
	const (
		v2     = "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1     = "33 30 0:30 / /v1/cpu rw - cgroup cgroup rw,cpu,cpuacct\n34 30 0:31 / /v1/memory rw - cgroup cgroup rw,memory\n"
		docker = "34 30 0:31 /docker/0123 /v1/memory ro - cgroup cgroup rw,memory\n"
		spaces = "30 22 0:26 /a\\040b /a\\134040b rw - cgroup2 cgroup2 rw\n"
		above  = "30 22 0:26 /.. /up rw - cgroup2 cgroup2 rw\n"
	)
	for _, c := range []struct {
		name, groups, mounts, controller string
		want                             []Group
	}{
		{"v2", "0::/user.slice/a.scope\n", v2, "cpu", []Group{
			{true, []string{"/sys/fs/cgroup/user.slice/a.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"}}}},
		{"root of v2", "0::/\n", v2, "cpu", []Group{{true, []string{"/sys/fs/cgroup"}}}},
		{"v1", "4:memory:/service\n1:cpu,cpuacct:/x\n", v1, "memory", []Group{{false, []string{"/v1/memory/service", "/v1/memory"}}}},
		{"v1, two controllers", "4:memory:/service\n1:cpu,cpuacct:/x\n", v1, "cpu", []Group{{false, []string{"/v1/cpu/x", "/v1/cpu"}}}},
		{"both", "1:cpu,cpuacct:/x\n0::/y\n", v1 + v2, "cpu", []Group{
			{false, []string{"/v1/cpu/x", "/v1/cpu"}}, {true, []string{"/sys/fs/cgroup/y", "/sys/fs/cgroup"}}}},
		{"two mounts", "0::/\n", v2 + "31 22 0:26 / /mnt rw - cgroup2 none rw\n", "cpu", []Group{
			{true, []string{"/sys/fs/cgroup"}}, {true, []string{"/mnt"}}}},
		{"part", "4:memory:/docker/0123\n", docker, "memory", []Group{{false, []string{"/v1/memory"}}}},
		{"below a part", "4:memory:/docker/0123/below\n", docker, "memory", []Group{{false, []string{"/v1/memory/below", "/v1/memory"}}}},
		{"beside a part", "4:memory:/docker/01234\n", docker, "memory", nil},
		{"above a part", "4:memory:/docker\n", docker, "memory", nil},
		{"escaped", "0::/a b\n", spaces, "cpu", []Group{{true, []string{`/a\040b`}}}},
		{"colons", "0::/a:b\n", v2, "cpu", []Group{{true, []string{"/sys/fs/cgroup/a:b", "/sys/fs/cgroup"}}}},
		{"outside the namespace", "0::/../x\n", v2, "cpu", nil},
		{"outside the namespace, mounted", "0::/../x\n", above, "cpu", []Group{{true, []string{"/up/x", "/up"}}}},
		{"further outside", "0::/../../x\n", above, "cpu", nil},
		{"another controller", "4:cpu:/\n3:cpuset:/\nnonsense\n", v1, "memory", nil},
		{"not mounted", "4:cpu:/\n0::/\n", "nonsense\n1 2 0:3 / /proc rw - proc proc rw\n1 2 3 - cgroup2\n", "cpu", nil},
		{"nothing", "", "", "cpu", nil},
	} {
		require.Equal(t, c.want, Find(c.groups, c.mounts, c.controller), c.name)
	}
}
