package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
)

func TestMain(m *testing.M) { proctest.Main(m) }

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
