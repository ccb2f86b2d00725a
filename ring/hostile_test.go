package ring

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Whatever stands in the memory of a ring, and whoever put it there: an answer or an error, at once,
// and no access outside of the ring.

// over is a context that has ended: what must wait does not.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// megabyte is a segment that lasts as long as the test.
func megabyte(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	return seg
}

// sound reports whether err is one that a ring may answer with.
func sound(t *testing.T, err error) bool {
	t.Helper()
	for _, known := range []error{
		nil, ErrClosed, ErrCorrupt, ErrBusy, ErrPeerDied, ErrTooLarge, context.Canceled, shm.ErrLayout,
	} {
		if errors.Is(err, known) {
			return err == nil
		}
	}
	require.NoError(t, err, "an error of another kind")
	return false
}

// What the reader's own words say counts for the writer alone, and is checked.
func TestPositionsThatCannotBeAreCorruption(t *testing.T) {
	seg := megabyte(t)
	r, err := NewSPSC[int64](seg, 3)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, w.Push(over(), 1))
	}
	r.control.position.Store(4)
	require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt)
	r.control.position.Store(0)

	in, err := r.Reader()
	require.NoError(t, err)
	r.slots[0].sequence.Store(7)
	_, err = in.Pop(over())
	require.ErrorIs(t, err, ErrCorrupt)
	_, _, err = in.TryPop()
	require.ErrorIs(t, err, ErrCorrupt)

	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	bw, err := b.Writer()
	require.NoError(t, err)
	b.control.position.Store(b.size * 3)
	b.control.given.Store(b.size * 3)
	_, err = bw.Reserve(over(), 8)
	require.ErrorIs(t, err, ErrCorrupt)
	b.control.position.Store(0)
	br, err := b.Reader()
	require.NoError(t, err)
	b.header(0).Store(b.size)
	_, err = br.Peek(over())
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = b.Len()
	require.ErrorIs(t, err, ErrCorrupt)
}

// A ring fills its object, and a slot that was used holds what was there a lap ago.
func TestRingsThatAreSmallerThanTheirObjectAreCorruption(t *testing.T) {
	seg := megabyte(t)
	r, err := NewSPSC[uint64](seg, 64)
	require.NoError(t, err)
	for _, capacity := range []uint64{0, 1, 32, 56, 65, 1 << 60} {
		r.control.capacity = capacity
		_, err = SPSCFrom[uint64](seg, r.Ref())
		require.ErrorIs(t, err, ErrCorrupt, "%d", capacity)
	}
	b, err := NewBytes(seg, 100_000)
	require.NoError(t, err)
	for _, capacity := range []uint64{0, segment.PageAlign, 3 * segment.PageAlign} {
		b.control.capacity = capacity
		_, err = BytesFrom(seg, b.Ref())
		require.ErrorIs(t, err, ErrCorrupt, "%d", capacity)
	}
}

func TestASlotThatIsZeroAfterTheFirstLapIsCorruption(t *testing.T) {
	seg := megabyte(t)
	r, err := NewSPSC[uint64](seg, 2)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	for i := range uint64(2) {
		require.NoError(t, w.Push(over(), i))
		_, err = in.Pop(over())
		require.NoError(t, err)
	}
	_, ok, err := in.TryPop()
	require.NoError(t, err)
	require.False(t, ok)
	r.slots[0].sequence.Store(0)
	_, _, err = in.TryPop()
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = in.Pop(context.Background())
	require.ErrorIs(t, err, ErrCorrupt)
}

// A ring that cannot be used is not kept from those who repair it.
func TestAnEndThatCannotBeTakenIsNotTaken(t *testing.T) {
	seg := megabyte(t)
	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	b.header(0).Store(^uint64(0))
	_, err = b.Writer()
	require.ErrorIs(t, err, ErrCorrupt)
	b.control.position.Store(1)
	_, err = b.Reader()
	require.ErrorIs(t, err, ErrCorrupt)
	b.header(0).Store(0)
	b.control.position.Store(0)
	_, err = b.Writer()
	require.NoError(t, err)
	_, err = b.Reader()
	require.NoError(t, err)
}

// Where zeros stand that look as those of Close, and the segment is open, what was taken is returned, and what was pushed is counted.
func TestZerosThatAreNotClosesLoseNothing(t *testing.T) {
	seg := megabyte(t)
	vs := make([]uint64, 8)
	for i := range vs {
		vs[i] = uint64(i) + 1
	}

	m, err := NewMPMC[uint64](seg, 64)
	require.NoError(t, err)
	n, err := m.PushN(over(), vs)
	require.NoError(t, err)
	require.Equal(t, len(vs), n)
	m.hall.quotas.Store(0)
	v, err := m.Pop(over())
	require.NoError(t, err)
	require.EqualValues(t, 1, v)
	got := make([]uint64, 4)
	n, err = m.PopN(over(), got)
	require.NoError(t, err)
	require.Equal(t, vs[1:1+n], got[:n])
	require.NotZero(t, n)

	r, err := NewSPSC[uint64](seg, 64)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	r.control.writer.Store(0)
	n, err = w.PushN(over(), vs)
	require.NoError(t, err)
	require.Equal(t, len(vs), n)
	r.control.reader.Store(0)
	n, err = in.PopN(over(), got)
	require.NoError(t, err)
	require.Equal(t, vs[:4], got[:n])
}

// Who takes a dead process's seat, to count what it lost, and is stopped there, keeps no lane from others.
func TestTheSeatOfADeadPusherThatAnotherTakesKeepsNoLane(t *testing.T) {
	seg := megabyte(t)
	dying, stopped := proctest.Attach(t, seg), proctest.Attach(t, seg)
	m, err := NewMPMC[uint64](seg, 64)
	require.NoError(t, err)
	theirs, err := MPMCFrom[uint64](dying, m.Ref())
	require.NoError(t, err)
	_, own, err := theirs.sit(asking)
	require.NoError(t, err)
	require.True(t, own)
	i := theirs.here.seat.Load() - 1
	s, l, dead := &m.seats[i], &m.lanes[0], uint64(dying.Engine().Self())
	l.lock.Store(uint64(i+1)<<lockSeat | stateBiased<<lockState | dead)
	s.marks[0].Store(1)
	require.NoError(t, dying.Close())
	s.owner.Store(uint64(stopped.Engine().Self())) // in occupy, before it has cleared the marks
	ok, err := m.revoke(l)
	require.NoError(t, err)
	require.True(t, ok)
	m.unlock(l.lane)

	s.marks[0].Store(0) // behind that, it gives the seat back
	s.owner.Store(0)
	l.lock.Store(uint64(i+1)<<lockSeat | stateDrained<<lockState | uint64(stopped.Engine().Self()))
	ok, err = m.revoke(l)
	require.NoError(t, err)
	require.True(t, ok)
}

// The end of a stream comes before the context's end.
func TestTheEndOfAStreamComesBeforeTheContexts(t *testing.T) {
	seg := megabyte(t)

	r, err := NewSPSC[uint64](seg, 8)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	_, err = in.Pop(over())
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.Close())
	_, err = in.Pop(over())
	require.ErrorIs(t, err, ErrClosed)
	_, err = in.Peek(over(), 1)
	require.ErrorIs(t, err, ErrClosed)

	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	bw, err := b.Writer()
	require.NoError(t, err)
	bin, err := b.Reader()
	require.NoError(t, err)
	require.NoError(t, bw.Close())
	_, err = bin.Peek(over())
	require.ErrorIs(t, err, ErrClosed)

	c, err := NewBroadcast[uint64](seg, 8)
	require.NoError(t, err)
	cw, err := c.Writer()
	require.NoError(t, err)
	s, err := c.Subscribe()
	require.NoError(t, err)
	require.NoError(t, cw.Close())
	_, err = s.Next(over())
	require.ErrorIs(t, err, ErrClosed)
}
