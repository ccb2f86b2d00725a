package proc_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

func allowedCPUs() int {
	var set unix.CPUSet
	_ = unix.SchedGetaffinity(0, &set)
	return set.Count()
}

func TestAChildRunsWhereItMay(t *testing.T) {
	var here unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &here))
	for n := range 1024 {
		if !here.IsSet(n) {
			continue
		}
		c := confines(t, proc.Affinity(n))
		require.Equal(t, 1, c.CPUs)
		require.Equal(t, 1, c.MaxProcs)
		break
	}
	require.Equal(t, here.Count(), confines(t).CPUs, "the next one has all of them again")
	for n := 1023; n >= 0; n-- {
		if !here.IsSet(n) {
			_, err := lookAtConfines.Start(testContext(t), true, proc.Affinity(n))
			require.ErrorIs(t, err, unix.EINVAL)
			require.ErrorContains(t, err, "Affinity")
			break
		}
	}
}
