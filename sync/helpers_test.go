package sync_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// bounded ends long after any test should have, so that a hang is an error with a line.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// over is a context that has ended.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// anonymous makes a segment that is closed after the test.
func anonymous(t testing.TB) *shm.Segment {
	t.Helper()
	s, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// again is one more participant, as another process would be.
var again = proctest.Attach

// mutexes is one Mutex, through two participants.
func mutexes(t testing.TB) (a, b *sync.Mutex) {
	t.Helper()
	s := anonymous(t)
	a, err := sync.NewMutex(s)
	require.NoError(t, err)
	b, err = sync.MutexFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}

// semaphores is one Semaphore, through two participants.
func semaphores(t testing.TB, n int64) (a, b *sync.Semaphore) {
	t.Helper()
	s := anonymous(t)
	a, err := sync.NewSemaphore(s, n)
	require.NoError(t, err)
	b, err = sync.SemaphoreFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}
