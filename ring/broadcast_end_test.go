package ring

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
)

// begun has w stand where it is at a push, in a turn of its own.
func (w *BroadcastWriter[T]) begun() {
	t := w.cast.load().after(w.row)
	w.turn.Store(uint64(t))
	w.mine = uint64(t)
	w.busy.Store(1)
}

// closedAtAPush is a ring whose stream was closed while w, of a participant of its own, is at a push.
func closedAtAPush(t *testing.T) (theirs *shm.Segment, w *BroadcastWriter[uint64], s *Subscriber[uint64]) {
	t.Helper()
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	theirs = proctest.Attach(t, seg)
	b, err := NewBroadcast[uint64](seg, 8)
	require.NoError(t, err)
	there, err := BroadcastFrom[uint64](theirs, b.Ref())
	require.NoError(t, err)
	w, err = there.Writer()
	require.NoError(t, err)
	other, err := b.Writer()
	require.NoError(t, err)
	s, err = b.Subscribe()
	require.NoError(t, err)
	w.begun()
	require.NoError(t, other.Close())
	_, ok, err := s.TryNext()
	require.NoError(t, err, "it may come to its end")
	require.False(t, ok)
	return theirs, w, s
}

// ending is what a subscriber is told that looks until the stream ends.
func ending(t *testing.T, s *Subscriber[uint64]) error {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 10*time.Second; {
		_, ok, err := s.TryNext()
		require.False(t, ok)
		if err != nil {
			return err
		}
	}
	return nil
}

// The writer finds that the stream ended, and wakes nobody. Whoever ended it must.
func TestWhoFindsTheEndOfAStreamTellsThoseWhoSleep(t *testing.T) {
	theirs, w, s := closedAtAPush(t)
	defer theirs.Close()
	items := w.cast.items.Event()
	asleep := items.Announce() // another subscriber, which saw the writer at its push
	w.busy.Store(0)            // the writer is through, and is stopped before it looks whose turn it is
	require.ErrorIs(t, ending(t, s), ErrClosed)
	require.True(t, items.Moved(asleep), "it looks again")
	require.NoError(t, w.Leave())
}

// Somebody who does not wait hears of no death.
func TestTheEndOfAStreamIsFoundBehindADeadWriterWithoutWaiting(t *testing.T) {
	theirs, _, s := closedAtAPush(t)
	require.NoError(t, theirs.Close()) // in the middle of its push
	require.ErrorIs(t, ending(t, s), ErrClosed)
}
