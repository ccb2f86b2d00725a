package ring

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// stepwise pushes and pops so many values, each popped before the next is pushed.
func stepwise(t *testing.T, w *Writer[uint64], in *Reader[uint64], n uint64) {
	t.Helper()
	for v := range n {
		require.NoError(t, w.Push(over(), v))
		requirePop(t, in, v)
	}
}

func TestLinesAreFetchedOnlyWhereTheReaderTrails(t *testing.T) {
	_, w, in := readAhead(t, 1024)
	for v := uint64(2); v < 1024; v++ {
		requirePop(t, in, v)
	}
	stepwise(t, w, in, 1024)
	require.False(t, w.trails, "the reader waits for each value")
	require.LessOrEqual(t, w.limit.Load(), w.pos+smallest, "so it is looked at again soon")
	stepwise(t, w, in, 1000)
	require.False(t, w.trails)

	for v := range uint64(smallest + 1) {
		require.NoError(t, w.Push(over(), v))
	}
	require.True(t, w.trails, "values wait")
	for v := range uint64(smallest + 1) {
		requirePop(t, in, v)
	}
	stepwise(t, w, in, 1024)
	require.False(t, w.trails)
}

func TestASmallRingHasNoLinesFetched(t *testing.T) {
	_, w, in := readAhead(t, 64)
	for v := uint64(2); v < 64; v++ {
		requirePop(t, in, v)
	}
	for range 8 {
		for v := range uint64(48) {
			require.NoError(t, w.Push(over(), v))
		}
		require.False(t, w.trails)
		for v := range uint64(48) {
			requirePop(t, in, v)
		}
	}
}

// To own lines changes nothing: each slot has the sequence of what was pushed to it last.
func TestOwnedSlotsHaveWhatTheyHad(t *testing.T) {
	const capacity = 512
	r, w, in := readAhead(t, capacity)
	owns := 0
	for next := uint64(2); next < 4*capacity; {
		for range capacity / 2 {
			requirePop(t, in, next)
			next++
		}
		for w.pos-next < capacity {
			if w.trails && w.pos%owned == owned-1 && w.pos+owned < w.limit.Load() {
				owns++
			}
			require.NoError(t, w.Push(over(), w.pos))
			for i := range uint64(capacity) {
				last := w.pos - 1 - (w.pos-1-i)%capacity
				require.Equal(t, last+1, r.slots[i].sequence.Load(), "slot %d behind position %d", i, w.pos)
			}
		}
	}
	require.Equal(t, w.end.plain(), owns > 0, "how often lines were owned: %d", owns)
}

func TestOwnedSlotsOfABroadcastHaveWhatTheyHad(t *testing.T) {
	seg := megabyte(t)
	b, err := NewBroadcast[uint64](seg, 256)
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	n := uint64(len(w.slots))
	for v := range 4 * n {
		require.NoError(t, w.Push(over(), v))
		for i := range min(n, v+1) {
			last := v - (v-i)%n
			require.Equal(t, last+1, w.slots[i].sequence.Load(), "slot %d behind record %d", i, v)
		}
	}
}

func TestOwnedSlotsOfALaneHaveWhatTheyHad(t *testing.T) {
	biasedLane(t, func(ctx context.Context, m, has *MPMC[uint64], _ *shm.Segment, _ func()) {
		l := &has.lanes[has.here.way.Load()&wayLane]
		size := uint64(len(l.slots))
		owns := 0
		for range 16 {
			for range m.Cap() / 2 {
				at := l.tail.Load()
				if has.here.bias.Load() != nil && at%owned == 0 && at > 2*size && at&m.mask+owned < size && at+owned < l.limit.Load() {
					owns++
				}
				require.NoError(t, has.Push(ctx, at))
				for i := range size {
					if at >= size {
						require.Equal(t, at-(at-i)%size+1, l.slots[i].sequence.Load(), "slot %d behind position %d", i, at)
					}
				}
			}
			for range m.Cap() / 2 {
				_, ok, err := m.TryPop()
				require.NoError(t, err)
				require.True(t, ok)
			}
		}
		require.Positive(t, owns)
	})
}
