package bulk

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCopyIsCopy(t *testing.T) {
	src := make([]byte, 3*least)
	for i := range src {
		src[i] = byte(i * 7)
	}
	for _, n := range []int{0, 1, 63, least - 1, least, least + 1, 2*least + 13} {
		for _, shift := range []int{0, 1, 8, 33} {
			dst := bytes.Repeat([]byte{0xaa}, 3*least)
			from := src[shift : shift+n]
			require.Equal(t, n, Copy(dst[shift:], from))
			require.Equal(t, from, dst[shift:shift+n])
			require.Equal(t, byte(0xaa), dst[shift+n], "nothing behind it")
			require.Equal(t, n, Copy(dst[shift:shift+n], src[shift:]), "the shorter of both counts")
			require.Equal(t, byte(0xaa), dst[shift+n])
		}
	}
}
