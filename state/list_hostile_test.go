package state_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// boxes are the memory of a List of strings: the object, the block of slots, and an element each.
func boxes(t *testing.T, seg *shm.Segment) (memory [][]byte) {
	t.Helper()
	block := func(place []byte) []byte {
		b, err := seg.Block(segment.RefAt(seg.Engine(), binary.LittleEndian.Uint64(place)))
		require.NoError(t, err)
		return b.Bytes()
	}
	require.NoError(t, seg.Engine().Objects(func(o segment.Object, _ string) bool {
		memory = append(memory, o.Bytes()[:176])
		return true
	}))
	header := memory[0][24+32*(memory[0][16]&1):]
	slots := block(header)
	memory = append(memory, slots)
	for i := range binary.LittleEndian.Uint64(header[16:]) {
		memory = append(memory, block(slots[8+8*i:])[:24])
	}
	return memory
}

// Whatever byte of a list of boxes is another one, each call says at once what is there, or what is wrong.
func TestAListOfBoxesOfWhichAnyByteIsOverwritten(t *testing.T) {
	right := func(err error) {
		for _, may := range []error{
			nil, shm.ErrCorrupt, shm.ErrNoSpace, state.ErrRange, state.ErrEmpty, context.Canceled, sync.ErrNotRecoverable, sync.ErrNotHeld,
		} {
			if errors.Is(err, may) {
				return
			}
		}
		require.NoError(t, err)
	}
	for part := 0; ; part++ {
		for at := 0; ; at++ {
			seg, err := shm.Anonymous(1<<16, shm.Participants(4))
			require.NoError(t, err)
			l, err := state.NewList[string](seg, shm.Named("l"))
			require.NoError(t, err)
			require.NoError(t, l.Append("one", "two", "three"))
			memory := boxes(t, seg)
			if part == len(memory) {
				require.NoError(t, seg.Close())
				return
			}
			if at == len(memory[part]) {
				require.NoError(t, seg.Close())
				break
			}
			memory[part][at] ^= byte(1 << (at % 8))
			other := again(t, seg)
			if l, err = state.OpenList[string](other, "l"); err == nil {
				_, err = l.Load(1)
				right(err)
				_, err = l.Snapshot()
				right(err)
				_, err = l.Index("three")
				right(err)
				right(l.Update(over(), 0, func(s *string) error { *s += "!"; return nil }))
				right(l.Edit(over(), func(all []string) ([]string, error) { return append(all, "four"), nil }))
				_, err = l.Snapshot()
			}
			right(err)
			require.NoError(t, other.Close())
			require.NoError(t, seg.Close())
		}
	}
}
