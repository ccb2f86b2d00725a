package sync_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	gosync "sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/sync"
)

// practised reads until its line has a bias, and this goroutine a mark, where there are some.
func practised(t *testing.T, ctx context.Context, ms ...*sync.RWMutex) {
	t.Helper()
	if !bias.Enabled || !bias.Inlined {
		return
	}
	for !futex.Registered() {
		runtime.Gosched()
	}
	for _, m := range ms {
		for by, n := 0, 1; by == 0; n++ {
			if n%1000 == 0 {
				m.Forget() // this stack has moved, to where others have the marks
			}
			require.NoError(t, ctx.Err())
			require.NoError(t, m.RLock(ctx))
			by, _, _ = m.Marks()
			require.NoError(t, m.RUnlock())
		}
	}
}

func requireBias(t *testing.T, m *sync.RWMutex, want bool) {
	t.Helper()
	_, has, _ := m.Marks()
	require.Equal(t, want && bias.Enabled && bias.Inlined, has)
}

func TestReadersEarnABiasAndAWriterTakesIt(t *testing.T) {
	a, b := rwMutexes(t)
	ctx := bounded(t)
	for range 3 {
		practised(t, ctx, a, b)
		requireBias(t, a, true)
		requireBias(t, b, true)
		require.NoError(t, a.RLock(ctx))
		require.NoError(t, b.RLock(ctx))
		require.Equal(t, 2, a.Readers())
		got, err := b.TryLock()
		require.NoError(t, err)
		require.False(t, got, "they read by their marks")
		requireBias(t, a, false)
		require.NoError(t, a.RLock(ctx))
		require.Equal(t, 3, b.Readers())
		for _, m := range []*sync.RWMutex{b, a, a} {
			require.NoError(t, m.RUnlock())
		}
		require.ErrorIs(t, a.RUnlock(), sync.ErrNotHeld)
		practised(t, ctx, a, b)
		require.NoError(t, a.Lock(ctx))
		requireBias(t, a, false)
		requireBias(t, b, false)
		require.NoError(t, a.Unlock())
	}
}

func TestABiasThatWritersTakeCostsMoreToEarn(t *testing.T) {
	a, _ := rwMutexes(t)
	ctx := bounded(t)
	practised(t, ctx, a)
	served := func() uint64 { _, _, n := a.Marks(); return n }
	for range 16 {
		require.NoError(t, a.Lock(ctx))
		require.NoError(t, a.Unlock())
		for range 8 {
			require.NoError(t, a.RLock(ctx))
			require.NoError(t, a.RUnlock())
		}
	}
	before := served()
	for range 16 {
		require.NoError(t, a.Lock(ctx))
		require.NoError(t, a.Unlock())
		for range 8 {
			require.NoError(t, a.RLock(ctx))
			require.NoError(t, a.RUnlock())
		}
	}
	require.LessOrEqual(t, served()-before, uint64(16), "of 128: each 64 earn a bias for 8")
}

// What one goroutine has locked, another one may unlock, by its own mark, or through the count.
func TestReadersUnlockForEachOther(t *testing.T) {
	a, b := rwMutexes(t)
	ctx := bounded(t)
	practised(t, ctx, a)
	const goroutines, rounds = 4, 2000
	held := make(chan struct{}, 2*goroutines)
	var all gosync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range rounds {
				if rand.IntN(2) == 0 {
					if err := a.RLock(ctx); err != nil {
						t.Error(err)
					}
					held <- struct{}{}
				}
				select {
				case <-held:
					if err := a.RUnlock(); err != nil {
						t.Error(err)
					}
				default:
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, len(held), b.Readers())
	for len(held) > 0 {
		got, err := b.TryLock()
		require.NoError(t, err)
		require.False(t, got)
		<-held
		require.NoError(t, a.RUnlock())
	}
	require.ErrorIs(t, a.RUnlock(), sync.ErrNotHeld)
	require.Zero(t, b.Readers())
	got, err := b.TryLock()
	require.NoError(t, err)
	require.True(t, got)
	require.NoError(t, b.Unlock())
}

func TestAWriterThatSleepsIsWokenByAReaderWithAMark(t *testing.T) {
	a, b := rwMutexes(t)
	ctx := bounded(t)
	for range 20 {
		practised(t, ctx, a)
		require.NoError(t, a.RLock(ctx))
		wrote := make(chan error, 1)
		go func() {
			err := b.Lock(ctx)
			if err == nil {
				err = b.Unlock()
			}
			wrote <- err
		}()
		for {
			if _, wanted := a.Owner(); wanted {
				break
			}
			runtime.Gosched()
		}
		require.NoError(t, a.RUnlock())
		require.NoError(t, <-wrote)
	}
}

// Readers with marks, and writers of another attach, see all or nothing of each other.
func TestReadersWithMarksAndWritersKeepApart(t *testing.T) {
	a, b := rwMutexes(t)
	ctx := bounded(t)
	practised(t, ctx, a)
	const writes = 2000
	var x, y int // what they read and write; no atomics
	over := make(chan struct{})
	var readers gosync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				for range 100 {
					if err := a.RLock(ctx); err != nil {
						t.Error(err)
						return
					}
					if x != y {
						t.Error("a reader sees what a writer has half done")
					}
					if err := a.RUnlock(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range writes {
		require.NoError(t, b.Lock(ctx))
		x++
		runtime.Gosched()
		y++
		require.NoError(t, b.Unlock())
	}
	close(over)
	readers.Wait()
	require.Equal(t, writes, x)
	require.Zero(t, a.Readers())
}

func TestACloseEndsMarks(t *testing.T) {
	s := anonymous(t)
	other := again(t, s)
	a, err := sync.NewRWMutex(other)
	require.NoError(t, err)
	b, err := sync.RWMutexFrom(s, a.Ref())
	require.NoError(t, err)
	ctx := bounded(t)
	practised(t, ctx, a)
	require.NoError(t, a.RLock(ctx))
	require.NoError(t, other.Close())
	require.Error(t, a.RLock(ctx))
	require.Error(t, a.RUnlock())
	require.NoError(t, b.Lock(ctx), "what was locked for reading went with the attach")
	require.NoError(t, b.Unlock())
}
