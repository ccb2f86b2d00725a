package segment

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASlotIsFreeAsSoonAsItsOwnerClosed(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 2})
	last := Owner(0)
	for range 50 { // no collection falls into this
		other, err := tryAgain(t, s, Config{})
		require.NoError(t, err)
		require.NotEqual(t, last, other.Self(), "the generation changes")
		last = other.Self()
		require.NoError(t, other.Close())
		require.True(t, s.Gone(last))
	}
}

func TestTheTableBeingFullIsAnErrorAndASlotOfADeadOneIsUsed(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 2})
	m := mortal(t, s)
	_, err := tryAgain(t, s, Config{})
	require.ErrorIs(t, err, ErrFull)
	require.ErrorContains(t, err, "all of 2 are taken")
	die(t, m)
	heir := again(t, s, Config{})
	require.Equal(t, m.ident.Pid, heir.ident.Pid)
	require.NoError(t, s.Check())
}

func TestAnObserverTakesNoSlot(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 1})
	for range 3 {
		eye := again(t, s, Config{Observe: true})
		require.Zero(t, eye.Self())
	}
}

func TestSlotsAreGivenOutRoundRobin(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 4})
	require.EqualValues(t, 0, s.Self().slot())
	var slots []uint32
	for range 6 {
		other, err := tryAgain(t, s, Config{})
		require.NoError(t, err)
		slots = append(slots, other.Self().slot())
		require.NoError(t, other.Close())
	}
	require.Equal(t, []uint32{1, 2, 3, 1, 2, 3}, slots, "slot 0 is taken all the time")
}

func TestAnAttachGoesOnWhereTheCounterOfAttachesWraps(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 3})
	s.m.header().nextSlot.Store(1<<32 - 1)
	for range 2 {
		again(t, s, Config{})
	}
	_, err := tryAgain(t, s, Config{})
	require.ErrorIs(t, err, ErrFull)
}

// A generation that came again would make a word of long ago name somebody who lives.
func TestASlotIsRetiredAfterItsLastGeneration(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 2})
	p := s.slot(1)
	p.state.Store(slotState(maxSlotGeneration-2, slotFree))
	for k := range uint32(2) {
		other, err := tryAgain(t, s, Config{})
		require.NoError(t, err)
		require.Equal(t, maxSlotGeneration-1+k, other.Self().generation())
		require.Equal(t, other.Self(), OwnerOf(uint64(other.Self())|inconsistent|notRecoverable), "flags fit beside it")
		require.NoError(t, other.Close())
	}
	for range 2 {
		_, err := tryAgain(t, s, Config{})
		require.ErrorIs(t, err, ErrFull)
	}
	require.EqualValues(t, slotRetired, p.state.Load()&0xff)
	require.NoError(t, s.Check())
}

func TestTheLastGenerationOfADeadOneIsSweptAndThenRetired(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 2})
	s.slot(1).state.Store(slotState(maxSlotGeneration-1, slotFree))
	m := mortal(t, s)
	die(t, m)
	_, err := tryAgain(t, s, Config{})
	require.ErrorIs(t, err, ErrFull)
	require.True(t, s.Gone(m.Self()))
	require.EqualValues(t, slotRetired, s.slot(1).state.Load()&0xff)
}

func TestParticipantsAreListedWithTheirNamesAndWhetherTheyLive(t *testing.T) {
	s := anonymous(t, 1<<16, Config{As: "first"})
	m := mortal(t, s)
	again(t, s, Config{As: string(make([]byte, 200)) + "x"})
	die(t, m)
	eye := again(t, s, Config{Observe: true})
	for _, from := range []*Segment{s, eye} {
		all, err := from.Participants()
		require.NoError(t, err)
		require.Len(t, all, 3)
		require.Equal(t, "first", all[0].Name)
		require.Equal(t, []bool{true, false, true}, []bool{all[0].Alive, all[1].Alive, all[2].Alive})
		require.Equal(t, m.Self(), all[1].Owner)
		require.Positive(t, all[0].Pid)
	}
	require.Contains(t, s.Describe(s.Self()), "(first)")
	s.Gone(m.Self())
	require.Contains(t, s.Describe(m.Self()), "gone")
	require.Equal(t, "nobody", s.Describe(0))
}

// A tag names a participant until its generation has come around as far as there is room for.
func TestATagNamesAParticipantAndThoseOfALaterTurn(t *testing.T) {
	for _, slots := range []uint32{1, 2, 3, 8, 1000, 1 << 15} {
		s := anonymous(t, 32<<20, Config{Participants: int(slots)})
		self, width := s.Self(), bits.Len32(slots-1)
		tag, ok := s.Tag(self)
		require.True(t, ok)
		require.Equal(t, self, s.Tagged(tag))
		if turn := uint32(1) << (tagBits - width); turn > 1 {
			other, ok := s.Tag(makeOwner(self.slot(), self.generation()+1))
			require.True(t, ok)
			require.NotEqual(t, tag, other)
			require.Zero(t, s.Tagged(other), "it is not there")
			same, ok := s.Tag(makeOwner(self.slot(), self.generation()+turn))
			require.True(t, ok)
			require.Equal(t, tag, same)
		}
		state := &s.slot(self.slot()).state
		was := state.Load()
		state.Store(slotState(self.generation()+1<<(tagBits-width), slotLive))
		require.NotEqual(t, self, s.Tagged(tag), "a newcomer with the tag of one who left")
		require.NotZero(t, s.Tagged(tag))
		state.Store(was)
	}
	s := anonymous(t, 32<<20, Config{Participants: 1<<15 + 1})
	_, ok := s.Tag(s.Self())
	require.False(t, ok)
}
