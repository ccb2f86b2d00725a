package segment

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCheckNamesTheDamage breaks one thing at a time.
func TestCheckNamesTheDamage(t *testing.T) {
	for _, c := range []struct {
		says   string
		damage func(s *Segment, o Object)
	}{
		{"body at 33", func(s *Segment, o Object) { s.m.block(o.off).bodyOffset = 33 }},
		{"body at 1024", func(s *Segment, o Object) { s.m.block(o.off).bodyOffset = 1024 }},
		{"object at", func(s *Segment, o Object) { s.m.block(o.off).size = 0 }},
		{"object at", func(s *Segment, o Object) { s.m.block(o.off).size = 1 << 60 }},
		{"directory leads to", func(s *Segment, _ Object) { s.m.header().directory.Store(7) }},
		{"object at", func(s *Segment, o Object) { s.m.block(o.off).nameLength, s.m.block(o.off).bodyOffset = 1000, 2048 }},
		{"directory entry at", func(s *Segment, o Object) { s.m.block(o.off).next.Store(s.m.header().directory.Load()) }},
		{"slot 1 in state", func(s *Segment, _ Object) { s.slot(1).state.Store(3) }},
		{"heap lock", func(s *Segment, _ Object) { s.heapLock.state.owner.Store(uint64(makeOwner(1, 1))) }},
		{"heap lock", func(s *Segment, _ Object) { s.heapLock.state.owner.Store(uint64(makeOwner(9, 1))) }},
		{"heap lock", func(s *Segment, _ Object) { s.heapLock.state.owner.Store(inconsistent) }},
		{"heap lock", func(s *Segment, _ Object) { s.heapLock.state.owner.Store(16 << FlagShift) }},
	} {
		t.Run(c.says, func(t *testing.T) {
			s, err := Anonymous(1<<20, Config{Owner: -1, Participants: 4})
			require.NoError(t, err)
			defer s.Close()
			o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "a"})
			require.NoError(t, err)
			require.NoError(t, s.Check())
			c.damage(s, o)
			err = s.Check()
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// TestCheckIsRightWhileOthersWork has no damage to find.
func TestCheckIsRightWhileOthersWork(t *testing.T) {
	s, err := Anonymous(8<<20, Config{Owner: -1})
	require.NoError(t, err)
	defer s.Close()
	made := make(chan error, 1)
	go func() {
		for i := range 1000 {
			if _, err := s.New(Spec{Kind: KindRaw, Size: 300, Name: fmt.Sprint("object ", i)}); err != nil {
				made <- err
				return
			}
		}
		made <- nil
	}()
	for {
		require.NoError(t, s.Check())
		select {
		case err := <-made:
			require.NoError(t, err)
			return
		default:
		}
	}
}
