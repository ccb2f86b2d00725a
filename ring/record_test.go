package ring

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bytes of long records begin at a line, wherever their headers lie, and come out as they went in: the longest that
// do, the shortest that do not, and those of which less is committed than was reserved.
func TestLongRecordsBeginAtALine(t *testing.T) {
	seg := megabyte(t)
	b, err := NewBytes(seg, 1)
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	in, err := b.Reader()
	require.NoError(t, err)
	ctx := context.Background()
	longest := b.Cap() - copyLine
	for lap, n := range []int{8, longRecord, 16, 4096, longest, 40, longest + 1, b.Cap(), longRecord - 1, longest, 24, 5000} {
		for _, m := range []int{n, n / 3, 0} {
			p, err := w.Reserve(ctx, n)
			require.NoError(t, err)
			require.Len(t, p, n)
			for i := range p {
				p[i] = byte(lap + i)
			}
			from := w.at + w.reserved.lead
			require.Same(t, &b.data[from], &p[0])
			if n >= longRecord && n <= longest {
				require.Zero(t, from%copyLine, "%d bytes", n)
			}
			w.Commit(m)
			got, err := in.Peek(ctx)
			require.NoError(t, err)
			require.Len(t, got, m)
			for i := range got {
				require.Equal(t, byte(lap+i), got[i])
			}
			in.Release()
		}
	}
}
