package shm_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/shm"
)

func TestAnAnonymousSegmentIsSealed(t *testing.T) {
	s, err := shm.Anonymous(1 << 20)
	s = closed(t, s, err)
	f, err := s.File()
	require.NoError(t, err)
	defer f.Close()
	require.ErrorIs(t, f.Truncate(0), unix.EPERM)
	require.ErrorIs(t, f.Truncate(s.Size()-1), unix.EPERM)
	require.ErrorIs(t, f.Truncate(s.Size()+1), unix.EPERM)
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
	require.ErrorIs(t, err, unix.EPERM, "nobody adds seals either")
	require.Empty(t, s.Name())
	require.NotZero(t, s.ID())
}

func TestASegmentLiesInDevShmUnlessToldOtherwise(t *testing.T) {
	const name = "kindred-test-default-place"
	_ = shm.Unlink(name)
	s, err := shm.Create(name, 1<<16)
	closed(t, s, err)
	require.FileExists(t, "/dev/shm/kindred."+name)
	require.NoError(t, shm.Unlink(name))
}
