package shm_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// tmpfs mounts a memory file system of its own for the test, which no other process sees, and which
// goes away with the test's thread, however that ends.
func tmpfs(t *testing.T, options string) string {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	runtime.LockOSThread() // for good: the thread keeps the mount
	dir := t.TempDir()
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNS))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, options))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// fill makes blocks of n bytes until there is no room, and writes to each byte.
func fill(t *testing.T, s *shm.Segment, n uint64) (blocks []segment.Object) {
	for {
		o, err := raw(s, n)
		if err != nil {
			require.ErrorIs(t, err, shm.ErrNoSpace)
			return blocks
		}
		for i := range o.Bytes() {
			o.Bytes()[i] = byte(len(blocks))
		}
		blocks = append(blocks, o)
	}
}

func TestAFullFileSystemIsAnErrorOfCreateWhichLeavesNothing(t *testing.T) {
	dir := tmpfs(t, "size=128k")
	for range 3 {
		_, err := shm.Create("n", 1<<20, shm.Dir(dir)) // the tables alone are larger
		require.ErrorIs(t, err, shm.ErrNoSpace)
		require.ErrorIs(t, err, unix.ENOSPC)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	s, err := shm.Create("n", 1<<20, shm.Dir(dir), shm.Participants(4))
	closed(t, s, err)
}

func TestAFullFileSystemIsAnErrorOfWhoeverNeededMoreAndNoFault(t *testing.T) {
	dir := tmpfs(t, "size=512k")
	s, err := shm.Create("n", 16<<20, shm.Dir(dir), shm.Participants(4))
	s = closed(t, s, err)
	blocks := fill(t, s, 60<<10)
	require.Len(t, blocks, 7) // a run each, and its control words
	_, err = raw(s, 60<<10, shm.Named("x"))
	require.ErrorIs(t, err, shm.ErrNoSpace)
	_, err = find(s, "x")
	require.ErrorIs(t, err, shm.ErrNotExist, "nothing half-made")
	require.NoError(t, s.Check())
	for i, o := range blocks {
		require.EqualValues(t, i, o.Bytes()[len(o.Bytes())-1])
	}
	// What was committed can be used to its end.
	small := 0
	for err = nil; err == nil; small++ {
		_, err = raw(s, 8)
	}
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.Positive(t, small)
	require.NoError(t, s.Check())
}

func TestMemoryThatOthersTookAndGaveBack(t *testing.T) {
	dir := tmpfs(t, "size=512k")
	s, err := shm.Create("n", 1<<20, shm.Dir(dir), shm.Participants(4))
	s = closed(t, s, err)
	err = os.WriteFile(dir+"/hog", make([]byte, 1<<20), 0o600)
	require.ErrorIs(t, err, unix.ENOSPC)
	_, err = raw(s, 128<<10)
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.NoError(t, s.Check())
	require.NoError(t, os.Remove(dir+"/hog"))
	o, err := raw(s, 128<<10)
	require.NoError(t, err)
	clear(o.Bytes())
	require.NoError(t, s.Check())
}

func TestNoInodesAreNoSpace(t *testing.T) {
	dir := tmpfs(t, "size=4m,nr_inodes=4")
	var err error
	for i := 0; err == nil && i < 10; i++ {
		var s *shm.Segment
		if s, err = shm.Create(fmt.Sprint(i), 1<<16, shm.Dir(dir), shm.Participants(1)); err == nil {
			closed(t, s, nil)
		}
	}
	require.ErrorIs(t, err, shm.ErrNoSpace)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Less(t, len(entries), 4)
}

// Containers have a /dev/shm of 64 MiB. A segment may be larger, until the memory is needed.
func TestASegmentLargerThanTheFileSystemWorksUntilItIsFull(t *testing.T) {
	dir := tmpfs(t, "size=64m")
	s, err := shm.Create("n", 1<<30, shm.Dir(dir))
	s = closed(t, s, err)
	other, err := shm.Create("m", 1<<30, shm.Dir(dir))
	other = closed(t, other, err)
	blocks := fill(t, s, 8<<20)
	require.Len(t, blocks, 7)
	fill(t, other, 1<<20)
	_, err = shm.Create("o", 1<<20, shm.Dir(dir), shm.Participants(65535))
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.NoError(t, s.Check())
	require.NoError(t, other.Check())
	require.NoError(t, shm.Unlink("m", shm.Dir(dir)))
	require.NoError(t, other.Close())
	_, err = raw(s, 1<<20)
	require.NoError(t, err, "what the other one had is free")
}

func TestAReadOnlyFileSystemIsAnError(t *testing.T) {
	dir := tmpfs(t, "size=1m")
	s, err := shm.Create("n", 1<<16, shm.Dir(dir), shm.Participants(2))
	s = closed(t, s, err)
	require.NoError(t, s.Close())
	require.NoError(t, unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err = shm.Create("m", 1<<16, shm.Dir(dir))
	require.True(t, errors.Is(err, unix.EROFS), err)
	_, err = shm.Open("n", shm.Dir(dir))
	require.True(t, errors.Is(err, unix.EROFS), err)
	eye, err := shm.Open("n", shm.Dir(dir), shm.Observe())
	eye = closed(t, eye, err)
	require.NoError(t, eye.Check())
}
