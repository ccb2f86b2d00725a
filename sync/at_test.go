package sync_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// plant is a user's own struct with a state of each kind.
type plant struct {
	Door    sync.RWMutexState
	Seats   sync.SemaphoreState
	Tools   sync.SemaphoreState
	Changed sync.CondState
	Open    sync.EventState
	Built   sync.OnceState
	Crew    sync.WaitGroupState
	Shift   sync.BarrierState
	Count   int64
}

// plants is one of them, through two participants.
func plants(t *testing.T) (a, b *shm.Segment, mine, theirs *plant) {
	t.Helper()
	a = anonymous(t)
	b = again(t, a)
	mine, ref, err := shm.NewStruct[plant](a)
	require.NoError(t, err)
	theirs, err = shm.StructFrom[plant](b, ref)
	require.NoError(t, err)
	return a, b, mine, theirs
}

func TestASemaphoreInAStructOfTheUsersOwn(t *testing.T) {
	a, b, mine, theirs := plants(t)
	ctx := bounded(t)
	first, err := sync.SemaphoreAt(a, &mine.Seats, 3, sync.Bounded())
	require.NoError(t, err)
	require.Zero(t, first.Ref())
	second, err := sync.SemaphoreAt(b, &theirs.Seats, 3, sync.Bounded())
	require.NoError(t, err)
	require.NoError(t, first.Acquire(ctx, 2))
	require.EqualValues(t, 1, second.Value())
	require.NoError(t, second.Release(2))
	require.ErrorIs(t, second.Release(1), sync.ErrCount)

	_, err = sync.SemaphoreAt(b, &theirs.Seats, 4, sync.Bounded())
	require.ErrorIs(t, err, sync.ErrCount, "it was made for 3")
	_, err = sync.SemaphoreAt(b, &theirs.Seats, 3)
	require.ErrorIs(t, err, sync.ErrCount, "it was made bounded")
	_, err = sync.SemaphoreAt(b, &theirs.Seats, 3, shm.Named("seats"))
	require.ErrorIs(t, err, sync.ErrOption)
	_, err = sync.SemaphoreAt(b, &theirs.Seats, 3, sync.Leaving())
	require.ErrorIs(t, err, sync.ErrOption)
	_, err = sync.SemaphoreAt(b, &mine.Seats, 3, sync.Bounded())
	require.ErrorIs(t, err, shm.ErrStale, "in another mapping")

	tools, err := sync.SemaphoreAt(b, &theirs.Tools, 2, sync.Tracked())
	require.NoError(t, err)
	require.NoError(t, tools.Acquire(ctx, 2))
	require.NoError(t, b.Close())
	tools, err = sync.SemaphoreAt(a, &mine.Tools, 2, sync.Tracked())
	require.NoError(t, err)
	require.NoError(t, tools.Acquire(ctx, 2), "those of the one who closed came back")
}

func TestLocksInAStructOfTheUsersOwn(t *testing.T) {
	a, b, mine, theirs := plants(t)
	ctx := bounded(t)
	door, err := sync.RWMutexAt(a, &mine.Door)
	require.NoError(t, err)
	other, err := sync.RWMutexAt(b, &theirs.Door)
	require.NoError(t, err)
	changed, err := sync.CondAt(a, &mine.Changed)
	require.NoError(t, err)
	require.Zero(t, changed.Ref())
	theirChange, err := sync.CondAt(b, &theirs.Changed)
	require.NoError(t, err)
	ended := make(chan error)
	require.NoError(t, door.Lock(ctx))
	go func() {
		err := other.Lock(ctx)
		if err == nil {
			theirs.Count++
			err = theirChange.Signal()
		}
		if err == nil {
			err = other.Unlock()
		}
		ended <- err
	}()
	require.NoError(t, changed.WaitFor(ctx, door, func() bool { return mine.Count == 1 }))
	require.NoError(t, door.Unlock())
	require.NoError(t, <-ended)
}

func TestMeetingsInAStructOfTheUsersOwn(t *testing.T) {
	a, b, mine, theirs := plants(t)
	ctx := bounded(t)
	open, err := sync.EventAt(b, &theirs.Open)
	require.NoError(t, err)
	built, err := sync.OnceAt(b, &theirs.Built)
	require.NoError(t, err)
	shift, err := sync.BarrierAt(a, &mine.Shift, 2)
	require.NoError(t, err)
	require.Zero(t, shift.Ref())
	_, err = sync.BarrierAt(b, &theirs.Shift, 3)
	require.ErrorIs(t, err, sync.ErrCount, "it was made for 2")
	_, err = sync.BarrierAt(b, &theirs.Shift, 0)
	require.ErrorIs(t, err, sync.ErrCount)
	theirShift, err := sync.BarrierAt(b, &theirs.Shift, 2)
	require.NoError(t, err)
	crew, err := sync.WaitGroupAt(a, &mine.Crew)
	require.NoError(t, err)
	require.Zero(t, crew.Ref())
	theirCrew, err := sync.WaitGroupAt(b, &theirs.Crew)
	require.NoError(t, err)

	require.NoError(t, crew.Add(1))
	ended := make(chan error)
	go func() {
		if _, err := theirShift.Wait(ctx); err != nil {
			ended <- err
			return
		}
		if err := built.Do(ctx, open.Set); err != nil {
			ended <- err
			return
		}
		ended <- theirCrew.Done()
	}()
	_, err = shift.Wait(ctx)
	require.NoError(t, err)
	require.NoError(t, crew.Wait(ctx))
	require.NoError(t, <-ended)
	require.True(t, open.IsSet())
}
