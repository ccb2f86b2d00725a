package sync

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// observed makes a segment with a name and opens it once more for observation.
func observed(t *testing.T) (dir shm.Option, seg, watch *shm.Segment) {
	t.Helper()
	dir = shm.Dir(t.TempDir())
	seg, err := shm.Create("locks", 1<<16, dir, shm.Participants(8), shm.As("maker"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	watch, err = shm.Open("locks", dir, shm.Observe())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, watch.Close()) })
	return dir, seg, watch
}

func TestInspectTellsTheStateOfAMutex(t *testing.T) {
	ctx := context.Background()
	dir, seg, watch := observed(t)
	m, err := NewMutex(seg)
	require.NoError(t, err)
	o, err := watch.Engine().Resolve(m.Ref(), segment.KindMutex, mutexShape.layout())
	require.NoError(t, err)
	state := func() string {
		t.Helper()
		s, err := Inspect(o)
		require.NoError(t, err)
		require.NoError(t, Check(o))
		return s.String()
	}
	require.Equal(t, "free", state())
	require.NoError(t, m.Lock(ctx))
	require.Regexp(t, `^held by process \d+ \(maker\)$`, state())
	require.NoError(t, m.Unlock())

	// Another attach takes the lock and is closed with it, which is a small death.
	other, err := shm.Open("locks", dir, shm.As("victim"))
	require.NoError(t, err)
	theirs, err := MutexFrom(other, m.Ref())
	require.NoError(t, err)
	require.NoError(t, theirs.Lock(ctx))
	require.NoError(t, other.Close())
	require.Regexp(t, `^held by participant 1\.1, dead$`, state())
	require.ErrorIs(t, m.Lock(ctx), ErrOwnerDied)
	require.Regexp(t, `^held by process \d+ \(maker\), suspect: its last holder died`, state())
	require.NoError(t, m.Unlock())
	require.Equal(t, "not recoverable", state())
}

func TestInspectTellsTheStateOfASemaphore(t *testing.T) {
	_, seg, watch := observed(t)
	s, err := NewSemaphore(seg, 3)
	require.NoError(t, err)
	o, err := watch.Engine().Resolve(s.Ref(), segment.KindSemaphore, semaphoreShape.layout())
	require.NoError(t, err)
	info, err := Inspect(o)
	require.NoError(t, err)
	require.Equal(t, SemaphoreInfo{Value: 3}, info)
	require.Equal(t, "3 free", info.String())
	require.Equal(t, "3 free, waited for", SemaphoreInfo{Value: 3, Waited: true}.String())
	require.NoError(t, Check(o))
	s.state.value.Store(counted ^ -4)
	require.ErrorIs(t, Check(o), shm.ErrCorrupt)
}

func TestCheckFindsALockInAStateThatDoesNotExist(t *testing.T) {
	_, seg, watch := observed(t)
	m, err := NewMutex(seg)
	require.NoError(t, err)
	o, err := watch.Engine().Resolve(m.Ref(), segment.KindMutex, mutexShape.layout())
	require.NoError(t, err)
	mine, err := seg.Engine().Resolve(m.Ref(), segment.KindMutex, mutexShape.layout())
	require.NoError(t, err)
	require.NoError(t, Check(o))
	mine.Bytes()[6] = 0x80 // a flag that no lock has
	require.ErrorIs(t, Check(o), shm.ErrCorrupt)
	_, err = Inspect(o)
	require.NoError(t, err)
}

func TestInspectRefusesOtherKinds(t *testing.T) {
	_, seg, _ := observed(t)
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 8})
	require.NoError(t, err)
	_, err = Inspect(o)
	require.ErrorIs(t, err, shm.ErrKind)
	require.ErrorIs(t, Check(o), shm.ErrKind)
}
