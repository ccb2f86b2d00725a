package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAParticipantIsGoneWhenItsLockIsFreeAndNotBefore(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	m := mortal(t, s)
	o := m.Self()
	require.False(t, s.Gone(o))
	require.False(t, s.Gone(s.Self()), "oneself")
	require.False(t, s.Gone(0), "nobody")
	die(t, m)
	require.True(t, s.Gone(o))
	require.True(t, s.Gone(o), "asked again")
	require.EqualValues(t, 1, s.Info().Swept)
}

func TestAnOwnerWhoCannotExistIsGone(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 2})
	require.True(t, s.Gone(makeOwner(2, 1)), "no such slot")
	require.True(t, s.Gone(makeOwner(1, 7)), "a generation that never was")
	require.True(t, s.Gone(makeOwner(s.Self().slot(), s.Self().generation()+1)), "own slot, another generation")
	require.NoError(t, s.Check())
}

func TestASweepIsIdempotentAndHitsNoSuccessor(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 2})
	m := mortal(t, s)
	o := m.Self()
	die(t, m)
	s.sweep(o)
	s.sweep(o)
	require.EqualValues(t, 1, s.Info().Swept)

	heir := again(t, s, Config{})
	require.Equal(t, o.slot(), heir.Self().slot(), "the slot is used again")
	s.sweep(o)
	// What a goroutine does that was about to sweep when another one of its process was done.
	sweepSlot(s.m.header(), s.slot(o.slot()), o.generation())
	require.False(t, s.Gone(heir.Self()), "the successor in the slot lives")
	require.EqualValues(t, 1, s.Info().Swept)
}

func TestASweeperThatDiedLeavesTheRestToTheNext(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	m, sweeper := mortal(t, s), mortal(t, s)
	o, o2 := m.Self(), sweeper.Self()
	die(t, m)
	// The sweeper took the byte and died before it swept.
	require.NoError(t, lockByte(sweeper, o))
	require.False(t, s.Gone(o), "nobody can tell a sweeper's lock from the owner's")
	die(t, sweeper)
	require.True(t, s.Gone(o))
	require.True(t, s.Gone(o2))
}

func TestAnAttachKeepsItsOwnByteWhateverStandsInItsSlot(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 2})
	other := again(t, s, Config{})
	self := s.Self()
	stranger := makeOwner(self.slot(), 99)
	s.slot(self.slot()).state.Store(slotState(99, slotLive))
	s.Gone(stranger)
	s.sweep(stranger)
	s.slot(self.slot()).state.Store(slotState(self.generation(), slotLive))
	require.False(t, other.Gone(self), "the byte is held as before")
}

func TestAnObserverSweepsNothing(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	m := mortal(t, s)
	o := m.Self()
	die(t, m)
	eye := again(t, s, Config{Observe: true})
	require.True(t, eye.Gone(o))
	require.Zero(t, s.Info().Swept)
	require.True(t, s.Gone(o))
	require.EqualValues(t, 1, s.Info().Swept)
}

func TestWatchesAndProofsDoNotPileUp(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	for range 10 {
		other := again(t, s, Config{})
		o := other.Self()
		requireWatched(t, s, o, "alive")
		requireWatched(t, s, o, "watched already")
		require.NoError(t, other.Close())
		require.True(t, s.Gone(o))
		require.Len(t, s.watches, 1, "those before it were dropped")
	}
	// The pidfd was readable while a child between fork and exec still held the byte.
	m := mortal(t, s)
	s.mu.Lock()
	s.dead[m.Self()] = false
	s.mu.Unlock()
	require.True(t, s.Gone(m.Self()), "the pidfd is proof enough")
	require.EqualValues(t, 10, s.Info().Swept, "but the slot is not free")
	die(t, m)
	require.True(t, s.Gone(m.Self()))
	require.EqualValues(t, 11, s.Info().Swept)
	requireWatched(t, s, again(t, s, Config{}).Self())
	require.Empty(t, s.dead)
	require.Len(t, s.watches, 1)
}
