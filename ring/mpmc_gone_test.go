package ring

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// A producer dies right behind the store that commits, and what it pushed is popped: its lane's tail is behind the
// head. The room of that lane is there for those who push to others.
func TestMPMCRoomOfADeadProducerWhoseLastValueWasPopped(t *testing.T) {
	const capacity = 100
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	f, err := seg.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := shm.FromFile(f)
	require.NoError(t, err)
	m, err := NewMPMC[uint64](seg, capacity)
	require.NoError(t, err)
	dying, err := MPMCFrom[uint64](other, m.Ref())
	require.NoError(t, err)

	ok, err := dying.TryPush(1)
	require.NoError(t, err)
	require.True(t, ok)
	l := &dying.lanes[dying.here.way.Load()&wayLane]
	require.EqualValues(t, 1, l.tail.Load())
	l.tail.Store(0)
	l.lock.Store(uint64(other.Engine().Self()))
	require.NoError(t, other.Close())

	_, ok, err = m.TryPop()
	require.NoError(t, err)
	require.True(t, ok)
	for i := range uint64(capacity) {
		ok, err := m.TryPush(i)
		require.NoError(t, err)
		require.True(t, ok, "value %d", i)
	}
	ok, err = m.TryPush(capacity)
	require.NoError(t, err)
	require.False(t, ok)
	for i := range uint64(capacity) {
		v, ok, err := m.TryPop()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i, v)
	}
}

// One that has the bias of a lane's head is stopped between the two stores of a pop: its lane's values are kept, and
// nothing else, until it goes on, whichever way, or is dead.
func TestMPMCOneStoppedInTheMiddleOfAPopKeepsTheValuesOfItsLane(t *testing.T) {
	if !biasing {
		t.Log("there are no biases here")
		return
	}
	for name, c := range map[string]struct {
		goesOn func(claim uint64) uint64 // nil: it dies
		next   uint64
	}{
		"it has popped":     {func(claim uint64) uint64 { return claim + 1 }, 2},
		"it has not popped": {func(claim uint64) uint64 { return claim - 1 }, 1},
		"it dies":           {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			const capacity = 100
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			seg, err := shm.Anonymous(1 << 20)
			require.NoError(t, err)
			defer func() { require.NoError(t, seg.Close()) }()
			f, err := seg.File()
			require.NoError(t, err)
			defer f.Close()
			other, err := shm.FromFile(f)
			require.NoError(t, err)
			defer other.Close()
			m, err := NewMPMC[uint64](seg, capacity)
			require.NoError(t, err)
			stopped, err := MPMCFrom[uint64](other, m.Ref())
			require.NoError(t, err)
			for lanes := 0; lanes == 0; lanes, _ = Held(m) {
				require.NoError(t, m.Push(ctx, 0))
				_, err := stopped.Pop(ctx)
				require.NoError(t, err)
			}

			claim := stopped.here.hold.Load().claim
			claim.Store(claim.Load() + 1)
			push := func(v uint64) bool {
				ok, err := m.TryPush(v)
				require.NoError(t, err)
				return ok
			}
			for v := range uint64(capacity) {
				require.True(t, push(v+1), "all room is there")
			}
			require.False(t, push(0))
			_, ok, err := m.TryPop()
			require.NoError(t, err)
			require.False(t, ok)
			popped := make(chan uint64)
			go func() {
				v, err := m.Pop(ctx)
				if err != nil {
					t.Error(err)
				}
				popped <- v
			}()
			for Sleepers(m) == 0 {
				require.NoError(t, ctx.Err())
				runtime.Gosched()
			}

			if c.goesOn == nil {
				require.NoError(t, other.Close())
			} else {
				claim.Store(c.goesOn(claim.Load()))
				stopped.disperse() // as whoever pops does then
			}
			require.Equal(t, c.next, <-popped)
			for v := c.next + 1; v <= capacity; v++ {
				got, ok, err := m.TryPop()
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, v, got)
			}
			require.True(t, m.Empty())
			require.Zero(t, m.Lost())
		})
	}
}
