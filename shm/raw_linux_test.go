package shm_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

func TestARawSegmentHoldsNoDescriptor(t *testing.T) {
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(all)
	}
	dir := shm.Dir(t.TempDir())
	before := count()
	for range 3 {
		r, err := shm.CreateRaw("r", 1<<16, dir, shm.Prefault())
		rawClosed(t, r, err)
		other, err := shm.OpenRaw("r", dir, shm.Prefault())
		rawClosed(t, other, err)
		_, err = shm.CreateRaw("r", 1, dir)
		require.ErrorIs(t, err, shm.ErrExist)
		require.NoError(t, shm.UnlinkRaw("r", dir))
	}
	require.Equal(t, before, count())
}

func TestARawSegmentThatTheFileSystemHasNoRoomForIsAnErrorAndLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	_, err := shm.CreateRaw("r", 1<<42, shm.Dir(folder))
	require.Error(t, err)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
}
