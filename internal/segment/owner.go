package segment

import (
	"fmt"
	"math/bits"
)

// Owner names the participant that holds something, in one word that locks, claims and ends of
// rings carry: the slot in the low 16 bits, its generation in the next 32. The upper 16 bits belong
// to the structure that stores the word. A generation is never used twice in a slot, so an Owner
// names one attach of one process for ever; 0 names nobody.
type Owner uint64

const (
	ownerSlotBits = 16
	ownerBits     = 48
	ownerMask     = 1<<ownerBits - 1

	// FlagShift is where the bits of the structure that stores an Owner begin.
	FlagShift = ownerBits
)

func makeOwner(slot, generation uint32) Owner {
	return Owner(uint64(generation)<<ownerSlotBits | uint64(slot))
}

// OwnerOf takes the structure's flags off a stored word.
func OwnerOf(word uint64) Owner { return Owner(word & ownerMask) }

func (o Owner) slot() uint32       { return uint32(o & (1<<ownerSlotBits - 1)) }
func (o Owner) generation() uint32 { return uint32(uint64(o) >> ownerSlotBits) }

// Slot is the number of o's slot in the table of participants, which is less than Slots.
func (o Owner) Slot() uint32 { return o.slot() }

// Slots is how many participants the segment may have at a time.
func (s *Segment) Slots() uint32 { return s.slots }

// tagBits is how many bits a Tag has.
const tagBits = 15

// Tag is o in 15 bits, for claims that have no room for more: the slot in as many as the table needs, and the low bits
// of its generation in the others. It reports false if the table is too large for that.
func (s *Segment) Tag(o Owner) (tag uint16, ok bool) {
	width := bits.Len32(s.slots - 1)
	return uint16(uint64(o.generation())<<width|uint64(o.slot())) & (1<<tagBits - 1), width <= tagBits
}

// Tagged is the participant that has the tag, as far as is known, or 0 if whoever had it has left.
func (s *Segment) Tagged(tag uint16) Owner {
	i := uint32(tag) & (1<<bits.Len32(s.slots-1) - 1)
	if i >= s.slots {
		return 0
	}
	state := s.slot(i).state.Load()
	o := makeOwner(i, uint32(state>>8))
	if theirs, _ := s.Tag(o); state&0xff != slotLive || theirs != tag {
		return 0
	}
	return o
}

// String gives the participant's slot and generation.
func (o Owner) String() string {
	if o == 0 {
		return "nobody"
	}
	return fmt.Sprintf("participant %d.%d", o.slot(), o.generation())
}

// MarshalText gives slot and generation, as in "3.1".
func (o Owner) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%d", o.slot(), o.generation()), nil
}

func slotState(generation uint32, state uint64) uint64 { return uint64(generation)<<8 | state }
