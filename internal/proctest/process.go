package proctest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// Bounded ends long after any test should have, so that a hang is an error with a line.
func Bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Over is a context that has ended.
func Over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Anonymous makes a segment of 1 MiB that is closed after the test.
func Anonymous(t testing.TB) *shm.Segment {
	t.Helper()
	s, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// Start starts a process that is attached to s, and does not outlive the test.
func Start[A any](t *testing.T, f *proc.Function[A], s *shm.Segment, args A, opts ...proc.Option) *proc.Process {
	t.Helper()
	p, err := f.Start(Bounded(t), args, append(opts, proc.Share(s))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// Kill kills the child, and waits until it is reaped.
func Kill(t *testing.T, p *proc.Process) {
	t.Helper()
	require.NoError(t, p.Kill())
	<-p.Done()
}
