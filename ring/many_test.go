package ring_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// Readers that wait at as many rings, in one process.
func TestAThousandReadersWait(t *testing.T) {
	const n = 1000
	ctx := bounded(t)
	s, err := shm.Anonymous(n * 4096)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	other := again(t, s)
	writers := make([]*ring.Writer[uint64], n)
	got := make(chan error, n)
	for i := range n {
		r, err := ring.NewSPSC[uint64](s, 4)
		require.NoError(t, err)
		in, err := r.Reader()
		require.NoError(t, err)
		there, err := ring.SPSCFrom[uint64](other, r.Ref())
		require.NoError(t, err)
		writers[i], err = there.Writer()
		require.NoError(t, err)
		go func() {
			var err error
			for want := uint64(0); err == nil; want++ {
				var v uint64
				if v, err = in.Pop(ctx); err == nil && v != want {
					err = ring.ErrCorrupt
				}
				got <- err
			}
		}()
	}
	before := threads()
	for round := range uint64(3) {
		time.Sleep(time.Duration(round) * 100 * time.Millisecond) // until they have slept through a look, or not
		for _, w := range writers {
			require.NoError(t, w.Push(ctx, round))
		}
		for range writers {
			require.NoError(t, <-got)
		}
	}
	require.LessOrEqual(t, threads(), before+8)
	for _, w := range writers {
		require.NoError(t, w.Close())
	}
	for range writers {
		require.ErrorIs(t, <-got, ring.ErrClosed)
	}
}
