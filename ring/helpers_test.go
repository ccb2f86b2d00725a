package ring_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

var (
	bounded = proctest.Bounded
	over    = proctest.Over
)

// twins are two participants of one segment, as two processes have them.
func twins(t testing.TB) (a, b *shm.Segment) {
	t.Helper()
	a, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a, again(t, a)
}

// again is one more participant, as another process would be.
var again = proctest.Attach

// pipe is a ring with its ends in two participants.
func pipe[T any](t testing.TB, capacity int, opts ...ring.EndOption) (*ring.Writer[T], *ring.Reader[T]) {
	t.Helper()
	a, b := twins(t)
	r, err := ring.NewSPSC[T](a, capacity)
	require.NoError(t, err)
	w, err := r.Writer(opts...)
	require.NoError(t, err)
	r, err = ring.SPSCFrom[T](b, r.Ref())
	require.NoError(t, err)
	in, err := r.Reader(opts...)
	require.NoError(t, err)
	return w, in
}

// bytesPipe is the same for records, with the length of the longest.
func bytesPipe(t testing.TB, capacity int, opts ...ring.EndOption) (w *ring.BytesWriter, in *ring.BytesReader, longest int) {
	t.Helper()
	a, b := twins(t)
	r, err := ring.NewBytes(a, capacity)
	require.NoError(t, err)
	w, err = r.Writer(opts...)
	require.NoError(t, err)
	r, err = ring.BytesFrom(b, r.Ref())
	require.NoError(t, err)
	in, err = r.Reader(opts...)
	require.NoError(t, err)
	return w, in, r.Cap()
}

var policies = map[string]ring.Policy{"adaptive": ring.Adaptive, "spin": ring.Spin, "park": ring.Park}
