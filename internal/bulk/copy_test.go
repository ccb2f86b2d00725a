package bulk

import (
	"bytes"
	"fmt"
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

// The bytes are right in either way, so that only this says which one was taken.
func TestWhatAliasesIsNotMovedByAStringInstruction(t *testing.T) {
	memory := make([]byte, 3*page)
	for distance, aliases := range map[int]bool{0: false, 1: true, near - 1: true, near: false, page - 1: false, page: false, page + 8: true} {
		require.Equal(t, aliases, alias(memory[distance:], memory), "%d bytes behind", distance)
	}
	require.False(t, alias(memory, memory[1:]), "before")
}

func BenchmarkCopy(b *testing.B) {
	memory := make([]byte, 256<<10)
	const size = 64 << 10
	for _, distance := range []int{0, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("%d-behind", distance), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				Copy(memory[2*size+distance:][:size], memory[:size])
			}
		})
	}
}
