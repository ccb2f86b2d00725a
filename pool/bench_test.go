package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/ring"
)

func benchPool(b *testing.B, n int) *pool.Pool {
	p, err := pool.New(context.Background(), pool.Workers(n), pool.Waiting(ring.Spin))
	require.NoError(b, err)
	b.Cleanup(func() { shutDown(b, p) })
	return p
}

func BenchmarkCall(b *testing.B) {
	ctx := context.Background()
	p := benchPool(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := double.Call(ctx, p, 1000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	for name, opts := range map[string][]pool.MapOption{"chunk 1": {pool.Chunk(1)}, "chunks": nil} {
		b.Run(name, func(b *testing.B) {
			p, err := pool.New(context.Background(), pool.Workers(2))
			require.NoError(b, err)
			b.Cleanup(func() { shutDown(b, p) })
			b.ReportAllocs()
			taken := 0
			for _, err := range double.Map(context.Background(), p, numbers(b.N, &taken), opts...) {
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGo(b *testing.B) {
	ctx := context.Background()
	p := benchPool(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := double.Go(ctx, p, 1000).Wait(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
