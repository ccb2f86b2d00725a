package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAValueInPlaceIsCleanedAndChecked(t *testing.T) {
	type padded struct {
		A uint8
		B uint32
	}
	type flag struct {
		A uint32
		B bool
		_ [3]byte
	}
	bare, err := For[[2]float64]()
	require.NoError(t, err)
	require.True(t, bare.Bare())

	p, err := For[padded]()
	require.NoError(t, err)
	require.False(t, p.Bare())
	v := padded{1, 2}
	memory(&v)[2] = 0xff
	p.Clean(&v)
	require.Equal(t, []byte{1, 0, 0, 0, 2, 0, 0, 0}, memory(&v))
	require.True(t, p.Sound(&v))

	f, err := For[flag]()
	require.NoError(t, err)
	require.False(t, f.Bare())
	w := flag{A: 1, B: true}
	require.True(t, f.Sound(&w))
	memory(&w)[4] = 2
	require.False(t, f.Sound(&w))

	s, err := For[string]()
	require.NoError(t, err)
	require.False(t, s.Bare())
	text := "text"
	s.Clean(&text)
	require.True(t, s.Sound(&text))
	require.Equal(t, "text", text)
}
