package ring_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// record is the i-th record of a stream: its number, its length, and bytes that follow from both.
func record(i, n int) []byte {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(i + k*7)
	}
	return b
}

func TestRecordsArriveWholeOnceAndInOrder(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			w, in, _ := bytesPipe(t, 1000, ring.Waiting(policy))
			const records = 3000
			length := func(i int) int { return (i * 7919) % 5000 }
			done := make(chan error, 1)
			go func() {
				for i := range records {
					p, err := w.Reserve(ctx, length(i)+i%3*8)
					if err != nil {
						done <- err
						return
					}
					w.Commit(copy(p, record(i, length(i))))
				}
				done <- w.Close()
			}()
			for i := range records {
				p, err := in.Peek(ctx)
				require.NoError(t, err)
				require.True(t, bytes.Equal(record(i, length(i)), p), "record %d of %d bytes, got %d", i, length(i), len(p))
				in.Release()
			}
			_, err := in.Peek(ctx)
			require.ErrorIs(t, err, ring.ErrClosed)
			require.NoError(t, <-done)
		})
	}
}

func TestRecordsOfEveryLengthUpToTheCapacity(t *testing.T) {
	w, in, capacity := bytesPipe(t, 1000)
	rnd := rand.New(rand.NewPCG(1, 2))
	lengths := []int{0, 1, 7, 8, 9, capacity, capacity - 1, capacity - 7, capacity - 8, capacity / 2}
	for range 300 {
		lengths = append(lengths, rnd.IntN(capacity+1))
	}
	for i, n := range lengths {
		p, err := w.Reserve(t.Context(), n)
		require.NoError(t, err)
		require.Len(t, p, n)
		require.Equal(t, n, cap(p), "no byte beyond what was asked for")
		copy(p, record(i, n))
		w.Commit(n)
		got, err := in.Peek(t.Context())
		require.NoError(t, err)
		require.NotNil(t, got, "an empty record is one, too")
		require.True(t, bytes.Equal(record(i, n), got), "%d bytes", n)
		in.Release()
	}
}

func TestRecordsThatCannotBeAreRefused(t *testing.T) {
	w, _, capacity := bytesPipe(t, 1000)
	for _, n := range []int{-1, capacity + 1, int(^uint(0) >> 1)} {
		_, err := w.Reserve(t.Context(), n)
		require.ErrorIs(t, err, ring.ErrTooLarge)
		_, err = w.TryReserve(n)
		require.ErrorIs(t, err, ring.ErrTooLarge)
	}
	require.GreaterOrEqual(t, capacity, 1000)
}

func TestMisuseOfCommitPanics(t *testing.T) {
	w, in, capacity := bytesPipe(t, 1000)
	require.Panics(t, func() { w.Commit(0) }, "nothing is reserved")
	_, err := w.Reserve(t.Context(), 10)
	require.NoError(t, err)
	require.Panics(t, func() { w.Commit(11) })
	require.Panics(t, func() { w.Commit(-1) })
	w.Commit(10)
	require.Panics(t, func() { w.Commit(10) }, "committed already")

	// A Reserve takes back the one before it, also if it fails.
	_, err = w.Reserve(t.Context(), 10)
	require.NoError(t, err)
	_, err = w.Reserve(over(), capacity)
	require.ErrorIs(t, err, context.Canceled)
	require.Panics(t, func() { w.Commit(10) })
	p, err := in.Peek(t.Context())
	require.NoError(t, err)
	require.Len(t, p, 10)
	in.Release()
	in.Release() // without a Peek before: nothing
	p, err = in.TryPeek()
	require.NoError(t, err)
	require.Nil(t, p)
}

func TestWhatIsReservedIsSeenWhenItIsCommittedAndNotBefore(t *testing.T) {
	w, in, _ := bytesPipe(t, 1000)
	p, err := w.Reserve(t.Context(), 100)
	require.NoError(t, err)
	copy(p, "not yet")
	got, err := in.TryPeek()
	require.NoError(t, err)
	require.Nil(t, got)
	w.Commit(3)
	got, err = in.TryPeek()
	require.NoError(t, err)
	require.Equal(t, "not", string(got))
	same, err := in.TryPeek()
	require.NoError(t, err)
	require.Equal(t, "not", string(same), "Peek does not take")
	in.Release()
	got, err = in.TryPeek()
	require.NoError(t, err)
	require.Nil(t, got)
}

func TestAReservationIsDroppedByClose(t *testing.T) {
	w, in, _ := bytesPipe(t, 1000)
	_, err := w.Reserve(t.Context(), 10)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Panics(t, func() { w.Commit(10) })
	_, err = in.Peek(t.Context())
	require.ErrorIs(t, err, ring.ErrClosed)
}

func TestAFullRingOfBytesWaitsForRoom(t *testing.T) {
	w, in, _ := bytesPipe(t, 1000)
	n := 0
	for {
		p, err := w.TryReserve(1000)
		require.NoError(t, err)
		if p == nil {
			break
		}
		binary.LittleEndian.PutUint64(p, uint64(n))
		w.Commit(8)
		n++
		p, err = w.TryReserve(1000)
		require.NoError(t, err)
		if p == nil {
			break
		}
		w.Commit(1000)
		n++
	}
	require.Greater(t, n, 64)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := w.Reserve(ctx, 1000)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	got := make(chan error, 1)
	go func() {
		_, err := w.Reserve(bounded(t), 1000)
		got <- err
	}()
	for range 2 {
		_, err := in.Peek(t.Context())
		require.NoError(t, err)
		in.Release()
	}
	require.NoError(t, <-got)
}

func TestLenCountsBytesOfRecords(t *testing.T) {
	a, b := twins(t)
	r, err := ring.NewBytes(a, 1000, shm.Named("log"))
	require.NoError(t, err)
	opened, err := ring.OpenBytes(b, "log")
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	for i := range 5 {
		_, err := w.Reserve(t.Context(), i)
		require.NoError(t, err)
		w.Commit(i)
	}
	n, err := opened.Len()
	require.NoError(t, err)
	require.Equal(t, 8+4*16, n)
}

func TestRecordsThatAreAppendedAreSeenAllAtOnce(t *testing.T) {
	w, in, _ := bytesPipe(t, 1000)
	appended := func(n int) {
		for i := range n {
			p, err := w.Reserve(t.Context(), 10)
			require.NoError(t, err)
			w.Append(copy(p, record(i, i)))
		}
	}
	w.Flush() // of nothing
	for _, publish := range []func(){w.Flush, func() { require.NoError(t, w.Close()) }} {
		appended(5)
		p, err := in.TryPeek()
		require.NoError(t, err)
		require.Nil(t, p)
		publish()
		records := make([][]byte, 9)
		n, err := in.PeekN(t.Context(), records)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		for i := range n {
			require.Equal(t, record(i, i), records[i])
		}
		require.Panics(t, func() { in.ReleaseN(6) })
		in.ReleaseN(0)
		n, err = in.PeekN(t.Context(), records[:3])
		require.NoError(t, err)
		require.Equal(t, 3, n)
		in.ReleaseN(2)
		require.Panics(t, func() { in.ReleaseN(1) }, "released already")
		n, err = in.PeekN(t.Context(), records)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.Equal(t, record(2, 2), records[0])
		in.Release()
		p, err = in.TryPeek()
		require.Nil(t, p)
		_ = err // closed, the second time
	}
	n, err := in.PeekN(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = in.PeekN(t.Context(), make([][]byte, 1))
	require.ErrorIs(t, err, ring.ErrClosed)
}

// A batch that does not fit is published by the Reserve that must wait, and around the end of the ring
// records are as whole as elsewhere.
func TestBatchesOfRecordsKeepTheOrder(t *testing.T) {
	ctx := bounded(t)
	w, in, capacity := bytesPipe(t, 1)
	const n = 3000
	length := func(i int) int { return i * 7919 % 6000 }
	done := make(chan error, 1)
	go func() {
		for i := range n {
			size := length(i)
			if i%500 == 0 {
				size = capacity
			}
			p, err := w.Reserve(ctx, size)
			if err != nil {
				done <- err
				return
			}
			if m := copy(p, record(i, size)); i%30 == 29 {
				w.Commit(m)
			} else {
				w.Append(m)
			}
		}
		done <- w.Close()
	}()
	records := make([][]byte, 16)
	for next := 0; ; {
		got, err := in.PeekN(ctx, records)
		if err != nil {
			require.ErrorIs(t, err, ring.ErrClosed)
			require.Equal(t, n, next)
			break
		}
		for _, p := range records[:max(got/2, 1)] {
			size := length(next)
			if next%500 == 0 {
				size = capacity
			}
			require.True(t, bytes.Equal(record(next, size), p), "record %d of %d bytes, got %d", next, size, len(p))
			next++
		}
		in.ReleaseN(max(got/2, 1))
	}
	require.NoError(t, <-done)
}

// Runs of a batch are written in two ways, as long as they are short or long, and go on around the end of the ring; records that are
// long go by themselves.
func TestPushNAndPushAreTheSame(t *testing.T) {
	ctx := bounded(t)
	for name, length := range map[string]func(i int) int{
		"empty":        func(int) int { return 0 },
		"of a line":    func(int) int { return 64 },
		"of any bytes": func(i int) int { return i % 200 },
		"of any words": func(i int) int { return i * 8 % 1000 },
		"long and not": func(i int) int { return i * 7919 % 3000 },
	} {
		t.Run(name, func(t *testing.T) {
			w, in, _ := bytesPipe(t, 1)
			const n = 20_000
			done := make(chan error, 1)
			go func() {
				var batch [][]byte
				for i := range n {
					if batch = append(batch, record(i, length(i))); i%7 == 0 && len(batch) < 300 {
						continue
					}
					if len(batch) < i*31%700 {
						continue
					}
					if k, err := w.PushN(ctx, batch); k != len(batch) || err != nil {
						done <- fmt.Errorf("%d of %d: %w", k, len(batch), err)
						return
					}
					batch = batch[:0]
				}
				_, err := w.PushN(ctx, batch)
				done <- errors.Join(err, w.Close())
			}()
			records := make([][]byte, 100)
			next := 0
			for {
				k, err := in.PeekN(ctx, records)
				if err != nil {
					require.ErrorIs(t, err, ring.ErrClosed)
					break
				}
				for i, p := range records[:k] {
					require.True(t, bytes.Equal(record(next+i, length(next+i)), p), "record %d, got %d bytes", next+i, len(p))
				}
				k = max(k*2/3, 1)
				in.ReleaseN(k)
				next += k
			}
			require.NoError(t, <-done)
			require.Equal(t, n, next)
		})
	}
}

func TestPushNStopsAtARecordThatIsTooLong(t *testing.T) {
	w, in, capacity := bytesPipe(t, 1)
	n, err := w.PushN(t.Context(), [][]byte{record(0, 5), record(1, 6), make([]byte, capacity+1), record(3, 7)})
	require.ErrorIs(t, err, ring.ErrTooLarge)
	require.Equal(t, 2, n)
	n, err = w.PushN(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, n)
	for i := range 2 {
		p, err := in.Peek(t.Context())
		require.NoError(t, err)
		require.Equal(t, record(i, 5+i), p)
		in.Release()
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	full := make([][]byte, 3*capacity/1000)
	for i := range full {
		full[i] = record(i, 1000)
	}
	n, err = w.PushN(over, full)
	require.ErrorIs(t, err, context.Canceled)
	require.Positive(t, n)
	require.NoError(t, w.Close())
	for i := range n {
		p, err := in.Peek(t.Context())
		require.NoError(t, err)
		require.Equal(t, record(i, 1000), p)
		in.Release()
	}
	_, err = in.Peek(t.Context())
	require.ErrorIs(t, err, ring.ErrClosed)
}

// What was appended, and not published, comes first.
func TestPushNPublishesWhatWasAppended(t *testing.T) {
	w, in, _ := bytesPipe(t, 1)
	p, err := w.Reserve(t.Context(), 3)
	require.NoError(t, err)
	w.Append(copy(p, "one"))
	_, err = w.PushN(t.Context(), [][]byte{[]byte("two")})
	require.NoError(t, err)
	records := make([][]byte, 3)
	n, err := in.PeekN(t.Context(), records)
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("one"), []byte("two")}, records[:n])
}

// A writer that dies with records that it has not published leaves none of them.
func TestASuccessorWritesOverWhatWasAppendedAndNotPublished(t *testing.T) {
	ctx := bounded(t)
	a, b := twins(t)
	r, err := ring.NewBytes(a, 1)
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	put := func(w *ring.BytesWriter, text string) {
		p, err := w.Reserve(ctx, len(text))
		require.NoError(t, err)
		w.Append(copy(p, text))
	}
	there, err := ring.BytesFrom(b, r.Ref())
	require.NoError(t, err)
	w, err := there.Writer()
	require.NoError(t, err)
	put(w, "seen")
	w.Flush()
	put(w, "lost")
	put(w, "and this")
	require.NoError(t, b.Close())
	w, err = r.Writer()
	require.NoError(t, err)
	put(w, "a")
	require.NoError(t, w.Close())
	all, err := io.ReadAll(in.Stream(ctx))
	require.NoError(t, err)
	require.Equal(t, "seena", string(all))
}

// Whatever the memory of a segment is asked to be, a ring lies in it twice in a row. Where the system
// refuses, it says so before there is a ring.
func TestRecordsInMemoryOfEachKind(t *testing.T) {
	for name, opt := range map[string]shm.Option{
		"prefault": shm.Prefault(), "locked": shm.Locked(), "huge": shm.HugePages(),
	} {
		t.Run(name, func(t *testing.T) {
			seg, err := shm.Anonymous(1<<20, opt)
			if err != nil {
				require.True(t, errors.Is(err, shm.ErrRefused) || errors.Is(err, shm.ErrUnsupported), err)
				return
			}
			defer seg.Close()
			b, err := ring.NewBytes(seg, 100_000)
			if errors.Is(err, shm.ErrRefused) {
				return // locked twice more
			}
			require.NoError(t, err)
			w, err := b.Writer()
			require.NoError(t, err)
			in, err := b.Reader()
			require.NoError(t, err)
			for i := range 20 {
				p, err := w.Reserve(t.Context(), 30_000)
				require.NoError(t, err)
				w.Commit(copy(p, record(i, 30_000)))
				got, err := in.Peek(t.Context())
				require.NoError(t, err)
				require.True(t, bytes.Equal(record(i, 30_000), got))
				in.Release()
			}
		})
	}
}

func TestPushCopiesRecordsOfAnyLength(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	b, err := ring.NewBytes(seg, 1)
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	in, err := b.Reader()
	require.NoError(t, err)
	all := make([]byte, b.Cap()+1)
	for i := range all {
		all[i] = byte(i*i + i/251)
	}
	for _, n := range []int{0, 1, 8, 64, 1000, 1024, 2047, 2048, 2049, 5000, 40000, b.Cap() - 1, b.Cap()} {
		record := all[b.Cap()-n : b.Cap()]
		require.NoError(t, w.Push(bounded(t), record))
		got, err := in.Peek(bounded(t))
		require.NoError(t, err)
		require.True(t, bytes.Equal(record, got), "%d bytes", n)
		in.Release()
		ok, err := w.TryPush(record)
		require.NoError(t, err)
		require.True(t, ok)
		got, err = in.TryPeek()
		require.NoError(t, err)
		require.True(t, bytes.Equal(record, got), "%d bytes", n)
		in.Release()
	}
	require.ErrorIs(t, w.Push(over(), all), ring.ErrTooLarge)
	_, err = w.TryPush(all)
	require.ErrorIs(t, err, ring.ErrTooLarge)
	require.NoError(t, w.Push(over(), all[:b.Cap()]))
	require.ErrorIs(t, w.Push(over(), nil), context.Canceled)
	ok, err := w.TryPush(nil)
	require.NoError(t, err)
	require.False(t, ok)
}

// What a record holds is not taken for others' headers, however quickly they come and go.
func TestLenOfABytesRingThatIsBusy(t *testing.T) {
	seg := segmentOf(t)
	b, err := ring.NewBytes(seg, 1000)
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	in, err := b.Reader()
	require.NoError(t, err)
	ctx := bounded(t)
	done := make(chan error, 1)
	go func() {
		for i := range 100_000 {
			p, err := w.Reserve(ctx, i*7919%700)
			if err != nil {
				done <- err
				return
			}
			for k := range p {
				p[k] = 0xee
			}
			w.Commit(len(p))
		}
		done <- w.Close()
	}()
	go func() {
		for {
			if _, err := in.Peek(ctx); err != nil {
				return
			}
			in.Release()
		}
	}()
	for {
		n, err := b.Len()
		require.NoError(t, err)
		require.LessOrEqual(t, n, 64<<10)
		select {
		case err := <-done:
			require.NoError(t, err)
			return
		default:
		}
	}
}
