package ring

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
)

// unbarred takes membarrier out.
func unbarred(t *testing.T) {
	if !futex.Owing {
		t.Skip("futex.Owing is false here: every store fences, and none is owed a barrier")
	}
	there := barrier
	t.Cleanup(func() { barrier = there })
	barrier = func() bool { return false }
}

// Nobody gives a turn up that he keeps while he does nothing. Where there is no membarrier, who tries again and
// again takes it in the end, and not before a store of the keeper's has arrived.
func TestWithoutMembarrierWhoTriesTakesTheTurnOfAnIdleWriter(t *testing.T) {
	unbarred(t)
	seg := megabyte(t)
	b, err := NewBroadcast[uint64](seg, 8)
	require.NoError(t, err)
	keeper, err := b.Writer()
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	keeper.begun()
	keeper.busy.Store(0)
	begin := time.Now()
	ok, err := w.TryPush(1)
	require.NoError(t, err)
	if !ok {
		time.Sleep(2 * unfenced)
		ok, err = w.TryPush(1)
		require.NoError(t, err)
		require.True(t, ok)
	}
	require.GreaterOrEqual(t, time.Since(begin), unfenced)
	require.NoError(t, keeper.Push(over(), 2))
}

func TestWithoutMembarrierTheEndOfAStreamIsFoundBehindAnIdleWriter(t *testing.T) {
	unbarred(t)
	theirs, w, s := closedAtAPush(t)
	defer theirs.Close()
	w.busy.Store(0)
	time.Sleep(2 * unfenced) // since the first look
	_, ok, err := s.TryNext()
	require.ErrorIs(t, err, ErrClosed)
	require.False(t, ok)
}

// A subscriber whose record came when it had looked, and before it queued up, does not wait for another one of its process, which waits
// for the next record.
func TestASubscriberIsNotKeptByOneThatIsAhead(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { seg.Close() })
	b, err := NewBroadcast[uint64](seg, 8)
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	behind, err := b.Subscribe(Waiting(Park))
	require.NoError(t, err)
	ahead, err := b.Subscribe(Waiting(Park))
	require.NoError(t, err)
	require.NoError(t, w.Push(ctx, 1))
	requireNext(t, ctx, ahead, 1)
	second := make(chan uint64)
	go func() {
		v, _ := ahead.Next(ctx)
		second <- v
	}()
	for b.cast.items.Queued() == 0 {
		require.NoError(t, ctx.Err())
		runtime.Gosched()
	}
	require.NoError(t, behind.wait(ctx)) // as if it had found nothing
	requireNext(t, ctx, behind, 1)
	require.NoError(t, w.Push(ctx, 2))
	require.EqualValues(t, 2, <-second)
}

func requireNext(t *testing.T, ctx context.Context, s *Subscriber[uint64], want uint64) {
	t.Helper()
	v, err := s.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, want, v)
}

// A handle that has left has no row any more: the one it had may be another writer's, in the middle of a push.
func TestAWriterThatLeftTouchesNobodysRow(t *testing.T) {
	seg := megabyte(t)
	b, err := NewBroadcast[uint64](seg, 8)
	require.NoError(t, err)
	gone, err := b.Writer()
	require.NoError(t, err)
	require.NoError(t, gone.Leave())
	w, err := b.Writer()
	require.NoError(t, err)
	require.Equal(t, gone.row, w.row)
	w.begun()
	require.NotZero(t, w.busy.Load())
	require.ErrorIs(t, gone.Push(over(), 1), ErrClosed)
	_, err = gone.TryPush(1)
	require.ErrorIs(t, err, ErrClosed)
	_, err = gone.PushN(over(), []uint64{1})
	require.ErrorIs(t, err, ErrClosed)
	require.NotZero(t, w.busy.Load())
}

// A writer that could not find out where the stream is does not write where it was.
func TestAWriterThatMetCorruptionLocatesAgain(t *testing.T) {
	seg := megabyte(t)
	b, err := NewBroadcast[uint64](seg, 4096)
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	other, err := b.Writer()
	require.NoError(t, err)
	for i := range uint64(100) {
		require.NoError(t, w.Push(over(), i))
	}
	for i := range uint64(400) {
		require.NoError(t, other.Push(over(), 100+i))
	}
	tail := b.cast.control.tail.Load()
	b.cast.control.tail.Store(^uint64(0))
	for range 3 {
		require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt)
	}
	b.cast.control.tail.Store(tail)
	require.NoError(t, w.Push(over(), 500))
	s, err := b.Subscribe(FromOldest())
	require.NoError(t, err)
	for i := range uint64(501) {
		v, ok, err := s.TryNext()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i, v)
	}
}

// Whatever stands in the row of a dead subscriber, it holds no writer up.
func TestARowOfTheDeadThatCannotBeHoldsNobodyUp(t *testing.T) {
	seg := megabyte(t)
	other := proctest.Attach(t, seg)
	b, err := NewBroadcast[uint64](seg, 8)
	require.NoError(t, err)
	theirs, err := BroadcastFrom[uint64](other, b.Ref())
	require.NoError(t, err)
	s, err := theirs.Subscribe(Blocking())
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	b.cast.control.rows[s.row].at.Store(1<<40 | b.cast.control.rows[s.row].at.Load())
	require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt)
	owner := b.cast.control.rows[s.row].owner.Load()
	require.NoError(t, other.Close())
	b.cast.control.rows[s.row].owner.Store(owner) // as of one who was killed
	require.NoError(t, w.Push(over(), 1))
}
