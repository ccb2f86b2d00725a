package shm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

func TestARawSegmentHoldsNoDescriptor(t *testing.T) {
	folder := t.TempDir()
	held := func() (names []string) {
		links, err := filepath.Glob("/proc/self/fd/*")
		require.NoError(t, err)
		for _, link := range links {
			if name, err := os.Readlink(link); err == nil && strings.HasPrefix(name, folder) {
				names = append(names, name)
			}
		}
		return names
	}
	dir := shm.Dir(folder)
	for range 3 {
		r, err := shm.CreateRaw("r", 1<<16, dir, shm.Prefault())
		rawClosed(t, r, err)
		other, err := shm.OpenRaw("r", dir, shm.Prefault())
		rawClosed(t, other, err)
		require.Empty(t, held())
		_, err = shm.CreateRaw("r", 1, dir)
		require.ErrorIs(t, err, shm.ErrExist)
		require.Empty(t, held())
		require.NoError(t, shm.UnlinkRaw("r", dir))
	}
}

func TestAFullFileSystemIsAnErrorOfMakingARawSegmentWhichLeavesNothing(t *testing.T) {
	folder := tmpfs(t, "size=128k")
	dir := shm.Dir(folder)
	_, err := shm.CreateRaw("r", 1<<20, dir)
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.ErrorContains(t, err, `shm: create raw "r"`)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
	r, err := shm.CreateRaw("r", 64<<10, dir)
	rawClosed(t, r, err)

	// One that another program made has a size, and no memory yet.
	require.NoError(t, os.WriteFile(folder+"/other", nil, 0o600))
	require.NoError(t, os.Truncate(folder+"/other", 1<<20))
	_, err = shm.OpenRaw("other", dir, shm.Prefault())
	require.ErrorIs(t, err, shm.ErrNoSpace)
	sparse, err := shm.OpenRaw("other", dir)
	sparse = rawClosed(t, sparse, err)
	require.EqualValues(t, 1<<20, sparse.Size())
}
