package ring_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// Waits that sleep by their process's hub hear of each push at once. If the hub's net had to catch them, it would take a minute.
func TestAnMPMCWakesThoseWhoSleepByTheHub(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	here, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, here.Close()) })
	there := again(t, here)
	here.Engine().Fold()
	there.Engine().Fold()
	to, err := ring.NewMPMC[uint64](here, 8)
	require.NoError(t, err)
	back, err := ring.NewMPMC[uint64](here, 8)
	require.NoError(t, err)
	in, err := ring.MPMCFrom[uint64](there, to.Ref())
	require.NoError(t, err)
	out, err := ring.MPMCFrom[uint64](there, back.Ref())
	require.NoError(t, err)
	for _, m := range []*ring.MPMC[uint64]{to, back, in, out} {
		m.SetPolicy(ring.Park)
	}
	ended := make(chan error)
	go func() {
		for v, err := range in.All(ctx) {
			if err == nil {
				err = out.Push(ctx, v)
			}
			if err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for v := range uint64(20_000) {
		require.NoError(t, to.Push(ctx, v))
		got, err := back.Pop(ctx)
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	require.NoError(t, to.Close())
	require.NoError(t, <-ended)
}
