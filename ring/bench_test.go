package ring_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkPushPop(b *testing.B) {
	w, in := pipe[uint64](b, 64)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if w.Push(ctx, 1) != nil {
			b.FailNow()
		}
		if _, err := in.Pop(ctx); err != nil {
			b.FailNow()
		}
	}
}

func BenchmarkStream(b *testing.B) {
	w, in := pipe[uint64](b, 65536)
	ctx := b.Context()
	received := make(chan int)
	go func() {
		n := 0
		for range in.All(ctx) {
			n++
		}
		received <- n
	}()
	b.ReportAllocs()
	for b.Loop() {
		if w.Push(ctx, 1) != nil {
			b.FailNow()
		}
	}
	require.NoError(b, w.Close())
	require.Equal(b, b.N, <-received)
}

func BenchmarkRecord(b *testing.B) {
	w, in, _ := bytesPipe(b, 1<<16)
	ctx := b.Context()
	b.ReportAllocs()
	b.SetBytes(64)
	for b.Loop() {
		if _, err := w.Reserve(ctx, 64); err != nil {
			b.FailNow()
		}
		w.Commit(64)
		if _, err := in.Peek(ctx); err != nil {
			b.FailNow()
		}
		in.Release()
	}
}
