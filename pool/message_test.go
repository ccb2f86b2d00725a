package pool

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func record(h head, payload ...byte) []byte {
	b := make([]byte, headSize, headSize+len(payload))
	h.put(b)
	return append(b, payload...)
}

func TestHeadsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := head{
			id:      rapid.Uint64().Draw(t, "id"),
			task:    rapid.Uint64().Draw(t, "task"),
			when:    rapid.Int64().Draw(t, "when"),
			size:    rapid.Uint64().Draw(t, "size"),
			outcome: rapid.Uint32().Draw(t, "outcome"),
			types:   rapid.Uint32().Draw(t, "types"),
		}
		var got head
		require.True(t, got.get(record(h)))
		require.Equal(t, h, got)
	})
}

func TestMessageIsPutTogetherFromItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		a := assembly{limit: math.MaxUint64}
		rest := payload
		first := rapid.IntRange(0, len(rest)).Draw(t, "first")
		part := record(head{id: 7, size: uint64(len(payload))}, rest[:first]...)
		rest = rest[first:]
		for len(rest) > 0 {
			complete, err := a.add(part)
			require.NoError(t, err)
			require.False(t, complete)
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			part, rest = rest[:n], rest[n:]
		}
		complete, err := a.add(part)
		require.NoError(t, err)
		require.True(t, complete)
		require.EqualValues(t, 7, a.head.id)
		require.Equal(t, string(payload), string(a.payload))
	})
}

func TestPartOfMoreThanWasAnnouncedIsRefused(t *testing.T) {
	part := record(head{size: 10}, make([]byte, 11)...)
	a := assembly{limit: math.MaxUint64}
	_, err := a.add(part)
	require.ErrorIs(t, err, errProtocol)
}

// Whatever comes in, an assembly holds at most what its limit allows, and no more than has come.
func TestAssemblyOfAnythingStaysWithinItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 100
		a := assembly{limit: limit}
		came := 0
		for range 20 {
			part := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "part")
			if len(part) >= headSize && rapid.Bool().Draw(t, "plausible") {
				h := head{size: rapid.SampledFrom([]uint64{0, 1, 50, 99, 100, 101, 1 << 63, math.MaxUint64}).Draw(t, "size")}
				h.put(part)
			}
			came += len(part)
			_, err := a.add(part)
			require.LessOrEqual(t, len(a.payload), min(limit, came))
			if err != nil {
				require.ErrorIs(t, err, errProtocol)
				return
			}
		}
	})
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	require.Nil(t, kept(make([]byte, 1, maxKept+1)))
	require.Equal(t, maxKept, cap(kept(make([]byte, 1, maxKept))))
}
