package pool

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/codec"
)

// FuzzMessage puts messages together from any records, as they come off a ring: of the first, up to
// cut, and of the rest in parts.
func FuzzMessage(f *testing.F) {
	const limit = 1 << 10
	f.Fuzz(func(t *testing.T, records []byte, cut, part uint16) {
		a := assembly{limit: limit}
		came := 0
		for first := true; ; first = false {
			n := 1 + int(part)
			if first {
				n = int(cut)
			}
			record := records[:min(n, len(records))]
			records = records[len(record):]
			came += len(record)
			complete, err := a.add(record)
			require.LessOrEqual(t, len(a.payload), min(limit, came))
			if err != nil {
				require.ErrorIs(t, err, errProtocol)
				return
			}
			require.Equal(t, complete, uint64(len(a.payload)) == a.head.size)
			require.Equal(t, complete, !a.open)
			if complete {
				understand(t, a.head, a.payload)
			}
			if len(records) == 0 {
				return
			}
		}
	})
}

// understand makes of a reply what its caller would.
func understand(t *testing.T, h head, payload []byte) {
	b := make([]byte, headSize)
	h.put(b)
	var again head
	require.True(t, again.get(b))
	require.Equal(t, h, again)
	if h.outcome != outcomeResult {
		err := failure("task", h.outcome, payload)
		require.Error(t, err)
		require.NotEmpty(t, err.Error())
		require.True(t, h.outcome < outcomes || errors.Is(err, errProtocol))
		return
	}
	c, err := codec.For[map[string]int]()
	require.NoError(t, err)
	var v map[string]int
	if err := c.Decode(payload, &v); err != nil {
		require.ErrorIs(t, err, codec.ErrCorrupt)
	}
}
