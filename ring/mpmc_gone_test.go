package ring

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
)

// A producer dies right behind the store that commits, and what it pushed is popped: its lane's tail is behind the
// head. The room of that lane is there for those who push to others.
func TestMPMCRoomOfADeadProducerWhoseLastValueWasPopped(t *testing.T) {
	const capacity = 100
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	other := proctest.Attach(t, seg)
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
	if !Biasing {
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
			other := proctest.Attach(t, seg)
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

// One that has the bias of a lane is stopped between the two stores to its mark: the room of its lane is kept, and
// nothing else, until it goes on or is dead.
func TestMPMCOneStoppedInTheMiddleOfAPushKeepsTheRoomOfItsLane(t *testing.T) {
	for name, dies := range map[string]bool{"it goes on": false, "it dies": true} {
		t.Run(name, func(t *testing.T) {
			biasedLane(t, func(ctx context.Context, m, stopped *MPMC[uint64], _ *shm.Segment, leave func()) {
				mark := stopped.here.bias.Load().mark
				mark.Store(1)
				pushed := fillUp(t, m)
				lanes, kept := Kept(m)
				require.Equal(t, 1, lanes)
				require.Equal(t, m.Cap()-kept, pushed)
				drainOff(t, m, pushed)
				require.Equal(t, pushed, fillUp(t, m))

				waits := make(chan error)
				go func() { waits <- m.Push(ctx, uint64(pushed)) }()
				for Sleepers(m) == 0 {
					require.NoError(t, ctx.Err())
					runtime.Gosched()
				}
				if dies {
					leave()
				} else {
					mark.Store(0)
					stopped.disperse() // as whoever pushes does then
				}
				require.NoError(t, <-waits)
				drainOff(t, m, pushed+1)
				require.Equal(t, m.Cap(), fillUp(t, m))
			})
		})
	}
}

// One dies while it takes a bias away from another. Who follows cannot know how far it was, and asks the mark.
func TestMPMCOneDiesWhileItRevokesABias(t *testing.T) {
	for name, pushing := range map[string]uint64{"outside of a push": 0, "in the middle of a push": 1} {
		t.Run(name, func(t *testing.T) {
			biasedLane(t, func(ctx context.Context, m, has *MPMC[uint64], dying *shm.Segment, _ func()) {
				b := has.here.bias.Load()
				b.mark.Store(pushing)
				has.lanes[b.lane].lock.Store(b.word>>lockSeat<<lockSeat | stateRevoked<<lockState | uint64(dying.Engine().Self()))
				require.NoError(t, dying.Close())
				pushed := fillUp(t, m)
				lanes, kept := Kept(m)
				require.Equal(t, int(pushing), lanes)
				require.Equal(t, m.Cap()-kept, pushed)
				b.mark.Store(0)
				for ; pushed < m.Cap(); pushed++ {
					require.NoError(t, m.Push(ctx, uint64(pushed)))
				}
				drainOff(t, m, m.Cap())
				require.NoError(t, has.Push(ctx, 0))
				drainOff(t, m, 1)
			})
		})
	}
}

// biasedLane has a test use a ring of which a lane has a bias to another participant, who can leave, and a segment of
// one more.
func biasedLane(t *testing.T, test func(ctx context.Context, m, has *MPMC[uint64], third *shm.Segment, leave func())) {
	if !Biasing {
		t.Log("there are no biases here")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	others := [2]*shm.Segment{proctest.Attach(t, seg), proctest.Attach(t, seg)}
	m, err := NewMPMC[uint64](seg, 100)
	require.NoError(t, err)
	has, err := MPMCFrom[uint64](others[0], m.Ref())
	require.NoError(t, err)
	for Lent(m) == 0 {
		require.NoError(t, has.Push(ctx, 0))
		drainOff(t, m, 1)
	}
	test(ctx, m, has, others[1], func() { require.NoError(t, others[0].Close()) })
}

// fillUp pushes 0, 1, 2 and so on as long as there is room, and tells how many.
func fillUp(t *testing.T, m *MPMC[uint64]) (n int) {
	for ; ; n++ {
		ok, err := m.TryPush(uint64(n))
		require.NoError(t, err)
		if !ok {
			return n
		}
	}
}

// drainOff pops n values that were pushed so, after which there are none.
func drainOff(t *testing.T, m *MPMC[uint64], n int) {
	for i := range n {
		v, ok, err := m.TryPop()
		require.NoError(t, err)
		require.True(t, ok, "value %d of %d", i, n)
		require.EqualValues(t, i, v)
	}
	_, ok, err := m.TryPop()
	require.NoError(t, err)
	require.False(t, ok)
}
