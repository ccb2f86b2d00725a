package ring_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
)

func TestPeekUnlessReturnsWhatComesFirst(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			w, in, _ := bytesPipe(t, 1000, ring.Waiting(policy))
			var flag atomic.Bool
			require.NoError(t, w.Push(ctx, []byte("first")))
			flag.Store(true)
			record, err := in.PeekUnless(ctx, flag.Load)
			require.NoError(t, err)
			require.Equal(t, "first", string(record), "a record comes before the rest")
			in.Release()
			record, err = in.PeekUnless(ctx, flag.Load)
			require.NoError(t, err)
			require.Nil(t, record)

			over, cancel := context.WithCancel(ctx)
			cancel()
			flag.Store(false)
			_, err = in.PeekUnless(over, flag.Load)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

func TestKnockHasPeekUnlessLookAgain(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			w, in, _ := bytesPipe(t, 1000, ring.Waiting(policy))
			var posted, seen atomic.Uint64
			done := make(chan error, 1)
			const rounds = 2000
			go func() {
				for i := uint64(1); i <= rounds; i++ {
					record, err := in.PeekUnless(ctx, func() bool { return posted.Load() == i })
					if err != nil || record != nil {
						done <- err
						return
					}
					seen.Store(i)
				}
				done <- nil
			}()
			for i := uint64(1); i <= rounds; i++ {
				posted.Store(i)
				w.Knock()
				for seen.Load() < i {
					require.NoError(t, ctx.Err())
					runtime.Gosched()
				}
			}
			require.NoError(t, <-done)
		})
	}
}

func TestWhatPeekUnlessSeesComesBeforeTheEnd(t *testing.T) {
	ctx := bounded(t)
	w, in, _ := bytesPipe(t, 1000)
	var flag atomic.Bool
	flag.Store(true)
	require.NoError(t, w.Close())
	record, err := in.PeekUnless(ctx, flag.Load)
	require.NoError(t, err)
	require.Nil(t, record)
	flag.Store(false)
	_, err = in.PeekUnless(ctx, flag.Load)
	require.ErrorIs(t, err, ring.ErrClosed)
	in.PeerGone()
	_, err = in.PeekUnless(ctx, func() bool { return true })
	require.NoError(t, err)
}
