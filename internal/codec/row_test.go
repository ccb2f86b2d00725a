package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRowIsWhatOneByOneIs(t *testing.T) {
	c := codecFor[padded](t)
	require.True(t, c.Flat())
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOf(rapid.Make[padded]()).Draw(t, "values")
		var one []byte
		for _, v := range vs {
			one, _ = c.Append(one, v)
		}
		row := c.AppendRow([]byte{7}, vs)
		require.Equal(t, append([]byte{7}, one...), row)
		put := make([]byte, len(vs)*c.Size())
		for i, v := range vs {
			c.Put(put[i*c.Size():], v)
		}
		require.Equal(t, one, append([]byte(nil), put...))
		for i, v := range vs {
			got, err := c.Get(put[i*c.Size():])
			require.NoError(t, err)
			require.Equal(t, v, got)
		}
		out := make([]padded, len(vs))
		require.NoError(t, c.DecodeRow(put, out))
		require.Equal(t, vs, append(vs[:0:0], out...))
	})
}

func TestRowOfOtherBytesIsCorrupt(t *testing.T) {
	c := codecFor[bool](t)
	out := []bool{true, true}
	require.NoError(t, c.DecodeRow([]byte{0, 1}, out))
	require.Equal(t, []bool{false, true}, out)
	require.ErrorIs(t, c.DecodeRow([]byte{1, 2}, out), ErrCorrupt)
	require.Equal(t, []bool{false, false}, out)
	require.ErrorIs(t, c.DecodeRow([]byte{1}, out), ErrCorrupt)
	_, err := c.Get([]byte{2})
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = codecFor[int32](t).Get([]byte{1, 2, 3})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, codecFor[int32](t).DecodeRow(nil, make([]int32, 1)), ErrCorrupt)
	require.NoError(t, codecFor[int32](t).DecodeRow(nil, nil))
}

func TestWhatTakesNoMemoryStandsInNoRow(t *testing.T) {
	require.False(t, codecFor[struct{}](t).Flat())
	require.False(t, codecFor[string](t).Flat())
}

func TestViewIsTheValuesThatLieThere(t *testing.T) {
	c := codecFor[uint32](t)
	row := c.AppendRow(nil, []uint32{1, 2, 3})
	vs, ok := c.View(row)
	require.True(t, ok)
	require.Equal(t, []uint32{1, 2, 3}, vs)
	vs[1] = 7
	require.Equal(t, c.AppendRow(nil, []uint32{1, 7, 3}), row)
	vs, ok = c.View(nil)
	require.True(t, ok)
	require.Empty(t, vs)
	_, ok = codecFor[padded](t).View(make([]byte, codecFor[padded](t).Size()))
	require.False(t, ok, "they need checks")
}
