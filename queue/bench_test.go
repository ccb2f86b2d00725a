package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/queue"
)

// One goroutine puts, another gets, through two attaches.
func BenchmarkStream(b *testing.B) {
	b.Run("queue", func(b *testing.B) {
		b.ReportAllocs()
		seg := anonymous(b)
		q, err := queue.New[uint64](seg, 1024)
		require.NoError(b, err)
		far, err := queue.From[uint64](again(b, seg), q.Ref())
		require.NoError(b, err)
		ctx := b.Context()
		done := make(chan error)
		b.ResetTimer()
		go func() {
			for range b.N {
				if _, err := far.Get(ctx); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for i := range uint64(b.N) {
			if err := q.Put(ctx, i); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, <-done)
	})
	b.Run("channel", func(b *testing.B) {
		c, done := make(chan uint64, 1024), make(chan bool)
		go func() {
			for range b.N {
				<-c
			}
			close(done)
		}()
		for i := range uint64(b.N) {
			c <- i
		}
		<-done
	})
}

func BenchmarkPutGet(b *testing.B) {
	b.Run("word", func(b *testing.B) { putGet[uint64](b, 1) })
	b.Run("text", func(b *testing.B) { putGet(b, "a message of some length") })
	b.Run("box", func(b *testing.B) { putGet(b, make([]byte, 1000)) })
	b.Run("struct", func(b *testing.B) {
		type message struct {
			Name, Kind string
			N          int
		}
		putGet(b, message{"one", "two", 3})
	})
}

func putGet[T any](b *testing.B, v T) {
	b.ReportAllocs()
	q, err := queue.New[T](anonymous(b), 16)
	require.NoError(b, err)
	ctx := b.Context()
	for range b.N {
		if err := q.Put(ctx, v); err != nil {
			b.Fatal(err)
		}
		if _, err := q.Get(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
