package codec

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
)

func TestCheckTagsFindsLimitsWhereverTheyStand(t *testing.T) {
	tagged := func(n int) any {
		v := any("x")
		for range n {
			v = cbor.Tag{Number: 1000, Content: v}
		}
		return v
	}
	large := new(big.Int).Lsh(big.NewInt(1), maxBigInt*8)
	limit := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), maxBigInt*8), big.NewInt(1))
	around := func(v any) []any {
		// Heads of all sizes, and strings that look like tags.
		return []any{1, 24, 1 << 10, 1 << 20, uint64(1) << 40, 1.5, true, nil, bytes.Repeat([]byte{0xc2}, 300), v,
			string(bytes.Repeat([]byte{0xc2}, 70_000)), map[any]any{"k": v}}
	}
	encode := func(v any) []byte {
		b, err := encoder().Marshal(v)
		require.NoError(t, err)
		return b
	}
	require.NoError(t, checkTags(encode(around(nil))))
	require.NoError(t, checkTags(encode(around(limit))))
	require.NoError(t, checkTags(encode(around(tagged(maxTagsInRow)))))
	require.Equal(t, errBigInt, checkTags(encode(around(large))))
	require.Equal(t, errTags, checkTags(encode(around(tagged(maxTagsInRow+1)))))

	require.Equal(t, limit, roundTrip(t, codecFor[*big.Int](t), limit))
	_, err := codecFor[any](t).Append(nil, tagged(maxTagsInRow+1))
	require.ErrorIs(t, err, ErrUnencodable)
}

func TestCheckTagsLeavesBadBytesToTheDecoder(t *testing.T) {
	for _, b := range [][]byte{{}, {0x18}, {0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x1f}, {0x1c}, {0x45, 1}, {0xc2}} {
		require.NoError(t, checkTags(b))
	}
}
