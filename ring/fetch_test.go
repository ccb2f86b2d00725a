package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
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
