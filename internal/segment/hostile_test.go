package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever stands in a segment, and whoever put it there: an answer or an error, in bounded time, and
// no access outside of it.

func TestLoopsInTheDirectoryEnd(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	var entries []Object
	for _, name := range []string{"a", "b", "c"} {
		o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: name})
		require.NoError(t, err)
		entries = append(entries, o)
	}
	for i, from := range entries {
		h := s.m.block(from.off)
		old := h.next.Load()
		for _, to := range entries[i:] {
			h.next.Store(to.Block().Place())
			_, err := s.Lookup("none", KindRaw, 0)
			require.ErrorIs(t, err, ErrCorrupt)
			_, err = s.New(Spec{Kind: KindRaw, Size: 8, Name: "none"})
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorIs(t, s.Check(), ErrCorrupt)
		}
		h.next.Store(old)
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
	h.runsOffset, h.controlsOffset, h.runShift = 1<<50, 1<<50, 60
	require.Equal(t, id, s.ID())
	require.Equal(t, slots, s.slots)
	_, err = s.Resolve(o.Ref(), KindRaw, 0)
	require.NoError(t, err)
	_, err = s.New(Spec{Kind: KindRaw, Size: 8})
	require.NoError(t, err)
}
