package ring_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
)

func TestReaderThatIsToldOfADeathReadsWhatThereIsAndEnds(t *testing.T) {
	a, b := twins(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	made, err := ring.NewBytes(a, 1000)
	require.NoError(t, err)
	r, err := made.Reader()
	require.NoError(t, err)

	theirs, err := ring.BytesFrom(b, made.Ref())
	require.NoError(t, err)
	w, err := theirs.Writer() // lives on: the reader alone is told otherwise
	require.NoError(t, err)
	record, err := w.Reserve(ctx, 5)
	require.NoError(t, err)
	w.Commit(copy(record, "hello"))

	go r.PeerGone() // before or during the waits below
	got, err := r.Peek(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	r.Release()
	for range 2 {
		_, err = r.Peek(ctx)
		require.ErrorIs(t, err, ring.ErrPeerDied)
	}
}

func TestWriterThatIsToldOfADeathFillsTheRingAndEnds(t *testing.T) {
	a, _ := twins(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	made, err := ring.NewBytes(a, 1000)
	require.NoError(t, err)
	w, err := made.Writer() // there is no reader whose death it could see
	require.NoError(t, err)

	go w.PeerGone()
	_, err = w.Reserve(ctx, made.Cap())
	require.NoError(t, err)
	w.Commit(made.Cap())
	_, err = w.Reserve(ctx, 1)
	require.ErrorIs(t, err, ring.ErrPeerDied)
}
