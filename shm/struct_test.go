package shm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

type ledger struct {
	Entries [3]struct {
		Count int64
		Flags uint16
	}
	Done bool
}

func TestAStructIsSharedByNameAndByRef(t *testing.T) {
	s, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	defer s.Close()
	f, err := s.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := shm.FromFile(f)
	require.NoError(t, err)
	defer other.Close()

	mine, ref, err := shm.NewStruct[ledger](s, shm.Named("ledger"))
	require.NoError(t, err)
	require.Zero(t, *mine)
	mine.Entries[2].Count = 42
	byName, same, err := shm.OpenStruct[ledger](other, "ledger")
	require.NoError(t, err)
	require.Equal(t, ref, same)
	byRef, err := shm.StructFrom[ledger](other, ref)
	require.NoError(t, err)
	require.EqualValues(t, 42, byName.Entries[2].Count)
	byRef.Done = true
	require.True(t, mine.Done)
	for range 2 {
		_, next, err := shm.OpenOrNewStruct[ledger](other, "second")
		require.NoError(t, err)
		_, first, err := shm.OpenOrNewStruct[ledger](s, "second")
		require.NoError(t, err)
		require.Equal(t, first, next)
	}
	require.NoError(t, s.Check())

	_, _, err = shm.NewStruct[ledger](s, shm.Named("ledger"))
	require.ErrorIs(t, err, shm.ErrExist)
	_, _, err = shm.OpenStruct[ledger](s, "none")
	require.ErrorIs(t, err, shm.ErrNotExist)
	_, _, err = shm.OpenStruct[[2]int64](s, "ledger")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = shm.StructFrom[ledger](s, shm.Ref{})
	require.ErrorIs(t, err, shm.ErrStale)
	_, _, err = shm.NewStruct[[1 << 20]int64](s)
	require.ErrorIs(t, err, shm.ErrNoSpace)
	_, _, err = shm.NewStruct[struct{ Name string }](s)
	require.ErrorContains(t, err, "Name")
	require.NoError(t, other.Close())
	require.Zero(t, *byName)
}
