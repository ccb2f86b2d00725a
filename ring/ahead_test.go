package ring

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// readAhead is a reader that has popped one value of a full ring and has read others ahead of it.
func readAhead(t *testing.T, capacity int) (*SPSC[uint64], *Writer[uint64], *Reader[uint64]) {
	t.Helper()
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { seg.Close() })
	r, err := NewSPSC[uint64](seg, capacity)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	for futex.Asymmetric && !futex.Registered() {
		time.Sleep(time.Millisecond) // until a process may publish with plain stores none reads ahead
	}
	for v := range uint64(capacity) {
		require.NoError(t, w.Push(over(), v))
	}
	for v := range uint64(2) { // the first finds out what there is
		requirePop(t, in, v)
	}
	require.NotEmpty(t, in.ahead.values)
	require.Greater(t, in.ahead.first+uint64(len(in.ahead.values)), in.pos)
	return r, w, in
}

func requirePop(t *testing.T, in *Reader[uint64], want uint64) {
	t.Helper()
	v, err := in.Pop(over())
	require.NoError(t, err)
	require.Equal(t, want, v)
}

func TestWhatIsReadAheadIsNotTaken(t *testing.T) {
	r, w, in := readAhead(t, 64)
	require.Equal(t, 62, r.Len())
	require.Equal(t, 62, in.Len())
	for range 2 {
		require.NoError(t, w.Push(over(), 64))
	}
	ok, err := w.TryPush(64)
	require.NoError(t, err)
	require.False(t, ok, "no room but that of the two that were popped")

	// A successor gets all but those.
	in.end.mine.Store(0)
	heir, err := r.Reader()
	require.NoError(t, err)
	for v := uint64(2); v < 64; v++ {
		requirePop(t, heir, v)
	}
}

func TestWhatIsReadAheadIsPoppedInItsOrderByWhateverCall(t *testing.T) {
	for _, capacity := range []int{7, 64, 1000} {
		_, w, in := readAhead(t, max(capacity, 16))
		next, pushed := uint64(2), uint64(w.Cap())
		expect := func(v uint64) {
			require.Equal(t, next, v)
			next++
		}
		for range 20000 {
			for n := rand.IntN(w.Cap()); n > 0; n-- {
				ok, err := w.TryPush(pushed)
				require.NoError(t, err)
				if !ok {
					break
				}
				pushed++
			}
			if next == pushed {
				continue
			}
			switch rand.IntN(4) {
			case 0:
				v, err := in.Pop(over())
				require.NoError(t, err)
				expect(v)
			case 1:
				v, ok, err := in.TryPop()
				require.NoError(t, err)
				require.True(t, ok)
				expect(v)
			case 2:
				vs := make([]uint64, 1+rand.IntN(20))
				n, err := in.PopN(over(), vs)
				require.NoError(t, err)
				for _, v := range vs[:n] {
					expect(v)
				}
			case 3:
				run, err := in.Peek(over(), min(1+rand.IntN(20), in.Cap()))
				require.NoError(t, err)
				n := rand.IntN(run.Len() + 1)
				for i := range n {
					expect(*run.At(i))
				}
				in.Release(n)
			}
			require.Equal(t, next, in.control.position.Load())
		}
	}
}

func TestNothingThatWasReadAheadIsPoppedFromAClosedEnd(t *testing.T) {
	_, _, in := readAhead(t, 64)
	require.NoError(t, in.Close())
	_, err := in.Pop(over())
	require.ErrorIs(t, err, ErrClosed)
	_, _, err = in.TryPop()
	require.ErrorIs(t, err, ErrClosed)

	r, _, in := readAhead(t, 64)
	require.NoError(t, r.seg.Close())
	_, err = in.Pop(over())
	require.ErrorIs(t, err, ErrClosed)
	_, _, err = in.TryPop()
	require.ErrorIs(t, err, ErrClosed)
}

// Who sleeps and can pay for no fence asks for them: what was read ahead is popped with one each, too.
func TestWhatWasReadAheadIsPoppedWithFencesWhenTheWriterAsksForThem(t *testing.T) {
	if !futex.Asymmetric {
		t.Skip("futex.Asymmetric is false here: every publish fences")
	}
	r, _, in := readAhead(t, 64)
	r.control.room.Demand()
	requirePop(t, in, 2) // sees it
	require.Empty(t, in.ahead.values)
	for v := uint64(3); v < 64; v++ {
		requirePop(t, in, v)
		require.Empty(t, in.ahead.values)
	}
}

// Whatever a writer does to slots that were read, the reader has what it read.
func TestAWriterThatBreaksTheRulesChangesNothingThatWasRead(t *testing.T) {
	r, _, in := readAhead(t, 64)
	last := in.ahead.first + uint64(len(in.ahead.values))
	for i := range r.slots {
		r.slots[i].sequence.Store(^uint64(0))
		r.slots[i].value = 7
	}
	for v := uint64(2); v < last; v++ {
		requirePop(t, in, v)
	}
	_, err := in.Pop(over())
	require.ErrorIs(t, err, ErrCorrupt)
}

// Copies are no more than what comes in sixteen lines.
func TestLargeValuesAreReadAheadLess(t *testing.T) {
	require.Equal(t, mostAhead, cap(makeAhead[uint64]().values))
	require.Equal(t, 16*segment.Line/(512+8), cap(makeAhead[[512]byte]().values))
	require.Zero(t, cap(makeAhead[[4096]byte]().values))
}
