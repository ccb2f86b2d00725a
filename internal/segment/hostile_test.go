package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever stands in a segment, and whoever put it there: an answer or an error, in bounded time, and
// no access outside of it.

func TestLoopsInTheDirectoryEnd(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	var entries []uint64
	for _, name := range []string{"a", "b", "c"} {
		_, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: name})
		require.NoError(t, err)
		entries = append(entries, s.m.header().directory.Load())
	}
	for _, from := range entries {
		e := s.m.nameEntry(from + uint64(s.m.block(from).bodyOffset))
		old := e.next
		for _, to := range entries {
			if to < from {
				continue
			}
			e.next = to
			_, err := s.Lookup("none", KindRaw, 0)
			require.ErrorIs(t, err, ErrCorrupt)
			_, err = s.New(Spec{Kind: KindRaw, Size: 8, Name: "none"})
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorIs(t, s.Check(), ErrCorrupt)
		}
		e.next = old
	}
	require.NoError(t, s.Check())
}

// The header is read once, and checked; what becomes of it afterwards moves nothing.
func TestAHeaderThatChangesAfterTheAttach(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "a"})
	require.NoError(t, err)
	h := s.m.header()
	id, slots := s.ID(), s.slots
	h.size, h.participants, h.tableOffset, h.heapOffset, h.id = 1<<60, 1<<31, 1<<50, 1<<50, 1
	require.Equal(t, id, s.ID())
	require.Equal(t, slots, s.slots)
	_, err = s.Resolve(o.Ref(), KindRaw, 0)
	require.NoError(t, err)
	_, err = s.New(Spec{Kind: KindRaw, Size: 8})
	require.NoError(t, err)
}

// Generations count from 1, in as many bits as a Ref has for them.
func TestAGenerationThatNoRefCanCarryIsCorruption(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "a"})
	require.NoError(t, err)
	for _, generation := range []uint32{0, 1 << 24, 1<<24 + 1, 1<<32 - 1} {
		s.m.block(o.off).generation = generation
		_, err = s.Lookup("a", KindRaw, 0)
		require.ErrorIs(t, err, ErrCorrupt)
		_, err = s.Resolve(o.Ref(), KindRaw, 0)
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorIs(t, s.Check(), ErrCorrupt)
	}
}

// What has a name is an object.
func TestANameOfANameIsCorruption(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "a"})
	require.NoError(t, err)
	s.m.block(o.off).kind = uint32(KindName)
	require.ErrorIs(t, s.Objects(func(Object, string) bool { return true }), ErrCorrupt)
	require.ErrorIs(t, s.Check(), ErrCorrupt)
}
