package sync_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/sync"
)

var (
	bounded   = proctest.Bounded
	over      = proctest.Over
	anonymous = proctest.Anonymous
	again     = proctest.Attach // one more participant, as another process would be
)

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
