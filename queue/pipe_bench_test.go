package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// One goroutine sends and receives.
func BenchmarkPipe(b *testing.B) {
	b.Run("64B", func(b *testing.B) { sendReceive(b, 64) })
	b.Run("4KiB", func(b *testing.B) { sendReceive(b, 4<<10) })
	b.Run("64KiB", func(b *testing.B) { sendReceive(b, 64<<10) })
	b.Run("1MiB", func(b *testing.B) { sendReceive(b, 1<<20) })
}

func sendReceive(b *testing.B, length int) {
	seg, err := shm.Anonymous(128 << 20)
	require.NoError(b, err)
	defer seg.Close()
	p, q, err := queue.NewPipe[[]byte, []byte](seg, 4)
	require.NoError(b, err)
	ctx, message, buffer := b.Context(), make([]byte, length), make([]byte, length)
	b.SetBytes(int64(length))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.SendBytes(ctx, message); err != nil {
			b.Fatal(err)
		}
		if _, err := q.RecvInto(ctx, buffer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPipeValue has one goroutine send and receive values of 64 bytes.
func BenchmarkPipeValue(b *testing.B) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(b, err)
	defer seg.Close()
	p, q, err := queue.NewPipe[[8]uint64, [8]uint64](seg, 16)
	require.NoError(b, err)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Send(ctx, [8]uint64{1}); err != nil {
			b.Fatal(err)
		}
		if _, err := q.Recv(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
