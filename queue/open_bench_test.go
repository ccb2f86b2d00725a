package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

func BenchmarkOpen(b *testing.B) {
	seg, err := shm.Anonymous(16 << 20)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, seg.Close()) })
	q, err := queue.New[uint64](seg, 4, shm.Named("q"))
	require.NoError(b, err)
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := queue.Open[uint64](seg, "q"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("from", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := queue.From[uint64](seg, q.Ref()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
