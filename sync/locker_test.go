package sync_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// bereft is a Mutex whose holder is gone.
func bereft(t *testing.T) *sync.Mutex {
	s := anonymous(t)
	m, err := sync.NewMutex(s)
	require.NoError(t, err)
	gone := again(t, s)
	other, err := sync.MutexFrom(gone, m.Ref())
	require.NoError(t, err)
	require.NoError(t, other.Lock(bounded(t)))
	require.NoError(t, gone.Close())
	return m
}

func panics(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

func TestALockerRepairs(t *testing.T) {
	m := bereft(t)
	times := 0
	l := m.Locker(func() error { times++; return nil })
	for range 3 {
		l.Lock()
		_, held := m.Owner()
		require.True(t, held)
		l.Unlock()
	}
	require.Equal(t, 1, times)
	require.ErrorIs(t, panics(l.Unlock), sync.ErrNotHeld)
}

func TestALockerWithNothingToRepair(t *testing.T) {
	m := bereft(t)
	l := m.Locker(nil)
	l.Lock()
	require.NoError(t, m.Unlock())
}

func TestALockerThatCannotRepairPanics(t *testing.T) {
	m := bereft(t)
	failure := errors.New("failure")
	require.ErrorIs(t, panics(m.Locker(func() error { return failure }).Lock), failure)
	require.ErrorIs(t, panics(m.Locker(nil).Lock), sync.ErrNotRecoverable)
	require.ErrorIs(t, m.Lock(bounded(t)), sync.ErrNotRecoverable)
}

func TestALockerOfAClosedSegmentPanics(t *testing.T) {
	s := anonymous(t)
	mine := again(t, s)
	m, err := sync.NewMutex(mine)
	require.NoError(t, err)
	require.NoError(t, mine.Close())
	require.ErrorIs(t, panics(m.Locker(nil).Lock), shm.ErrClosed)
}
