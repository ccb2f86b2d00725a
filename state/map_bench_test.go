package state_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

func BenchmarkMapOfTexts(b *testing.B) {
	seg, err := shm.Anonymous(256 << 20)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, seg.Close()) })
	m, err := state.NewMap[string, []byte](seg)
	require.NoError(b, err)
	const n = 100_000
	keys, value := make([]string, n), make([]byte, 32)
	for i := range keys {
		keys[i] = fmt.Sprintf("key %012d", i)
		require.NoError(b, m.Set(keys[i], value))
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := range uint64(b.N) {
			if _, ok, err := m.Get(keys[i*0x2545f491%n]); !ok || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for i := range uint64(b.N) {
			if err := m.Set(keys[i*0x2545f491%n], value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMapOfAMillion(b *testing.B) {
	seg, err := shm.Anonymous(128 << 20)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, seg.Close()) })
	m, err := state.NewMap[uint64, uint64](seg)
	require.NoError(b, err)
	const n = 1_000_000
	spread := func(i uint64) uint64 { return i % n * 0x9e3779b97f4a7c15 }
	for i := range uint64(n) {
		require.NoError(b, m.Set(spread(i), i))
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := range uint64(b.N) {
			if _, ok, err := m.Get(spread(i * 0x2545f491)); !ok || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for i := range uint64(b.N) {
			if err := m.Set(spread(i*0x2545f491), i); err != nil {
				b.Fatal(err)
			}
		}
	})
}
