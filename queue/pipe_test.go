package queue_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// question and answer go through the pipes of these tests.
type question struct {
	Text string
	N    int
}

type answer struct{ Squares []int }

func newPipe[A, B any](t testing.TB, capacity int, opts ...shm.ObjectOption) (*shm.Segment, *queue.Pipe[A, B], *queue.Pipe[B, A]) {
	t.Helper()
	seg := anonymous(t)
	a, b, err := queue.NewPipe[A, B](seg, capacity, opts...)
	require.NoError(t, err)
	return seg, a, b
}

func TestAPipeCarriesValuesBothWays(t *testing.T) {
	ctx := bounded(t)
	_, a, b := newPipe[question, answer](t, 4)
	require.Equal(t, 4, a.Cap())
	for n := range 10 {
		require.NoError(t, a.Send(ctx, question{"squares", n}))
		q, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, question{"squares", n}, q)
		require.NoError(t, b.Send(ctx, answer{make([]int, n)}))
		v, err := a.Recv(ctx)
		require.NoError(t, err)
		require.Len(t, v.Squares, n)
	}
}

func TestMessagesOfAPipeKeepTheirBorders(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[[]byte, string](t, 8)
	sent := []string{"a", "", "b", strings.Repeat("long", 100), "", "cd", strings.Repeat("x", 96), strings.Repeat("y", 97)}
	for _, s := range sent {
		require.NoError(t, a.SendBytes(ctx, []byte(s)))
	}
	for _, s := range sent {
		ready, err := b.Ready()
		require.NoError(t, err)
		require.True(t, ready)
		require.NoError(t, b.Poll(ctx)) // takes nothing
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, s, string(got))
	}
	ready, err := b.Ready()
	require.NoError(t, err)
	require.False(t, ready)
	requireBlocks(t, seg, onePipe)
	runtime.KeepAlive(a)
}

func TestAMessageIsAsLongAsThereIsRoomFor(t *testing.T) {
	ctx := bounded(t)
	seg, err := shm.Anonymous(16 << 20)
	require.NoError(t, err)
	defer seg.Close()
	a, b, err := queue.NewPipe[[]byte, []byte](seg, 2)
	require.NoError(t, err)
	long := bytes.Repeat([]byte("0123456789"), 1<<20)
	require.NoError(t, a.Send(ctx, long))
	require.ErrorIs(t, a.Send(ctx, long), shm.ErrNoSpace)
	got, err := b.Recv(ctx)
	require.NoError(t, err)
	require.True(t, bytes.Equal(long, got))
	require.NoError(t, a.Send(ctx, long))
	buf := make([]byte, len(long)+10)
	n, err := b.RecvInto(ctx, buf)
	require.NoError(t, err)
	require.True(t, bytes.Equal(long, buf[:n]))
	require.Equal(t, make([]byte, 10), buf[n:])
}

func TestABufferThatIsTooShortGetsTheWholeMessageInTheError(t *testing.T) {
	ctx := bounded(t)
	_, a, b := newPipe[string, string](t, 2)
	for _, s := range []string{"some words", strings.Repeat("many", 50)} {
		require.NoError(t, a.Send(ctx, s))
		buf := []byte("12345")
		_, err := b.RecvInto(ctx, buf)
		require.ErrorIs(t, err, io.ErrShortBuffer)
		var short *queue.ShortBufferError
		require.ErrorAs(t, err, &short)
		require.Equal(t, s, string(short.Message))
		require.Equal(t, "12345", string(buf))
	}
}

func TestTheOtherEndOfAPipeIsClosed(t *testing.T) {
	ctx := bounded(t)
	_, a, b := newPipe[string, uint64](t, 4)
	require.NoError(t, a.Send(ctx, "last"))
	require.NoError(t, a.Close())
	require.ErrorIs(t, a.Close(), queue.ErrClosed)
	require.ErrorIs(t, a.Send(ctx, "more"), queue.ErrClosed)
	_, err := a.End()
	require.ErrorIs(t, err, queue.ErrClosed)
	ready, err := b.Ready()
	require.NoError(t, err)
	require.True(t, ready)
	v, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "last", v)
	_, err = b.Recv(ctx)
	require.Equal(t, io.EOF, err)
	_, err = b.RecvBytes(ctx)
	require.Equal(t, io.EOF, err)
	_, _, err = b.TryRecv()
	require.Equal(t, io.EOF, err)
	require.NoError(t, b.Poll(ctx))
	require.ErrorIs(t, b.Send(ctx, 1), io.ErrClosedPipe)
	_, err = b.TrySend(1)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestCloseOfAPipeWakes(t *testing.T) {
	for name, close := range map[string]func(seg *shm.Segment, a, b interface{ Close() error }) error{
		"this end":    func(_ *shm.Segment, a, _ interface{ Close() error }) error { return a.Close() },
		"other end":   func(_ *shm.Segment, _, b interface{ Close() error }) error { return b.Close() },
		"the segment": func(seg *shm.Segment, _, _ interface{ Close() error }) error { return seg.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			seg, a, b := newPipe[string, string](t, 1)
			ctx, cancel := context.WithCancel(bounded(t))
			defer cancel()
			require.NoError(t, a.Send(ctx, "the pipe is full"))
			var waiting gosync.WaitGroup
			failed := make(chan error, 3)
			for _, f := range []func() error{
				func() error { _, err := a.Recv(ctx); return err },
				func() error { _, err := a.Recv(context.Background()); return err },
				func() error { return a.Send(ctx, "more") },
			} {
				waiting.Go(func() { failed <- f() })
			}
			for queue.Sleeping(a) < 3 {
				require.NoError(t, ctx.Err())
				runtime.Gosched()
			}
			require.NoError(t, close(seg, a, b))
			waiting.Wait()
			for range 3 {
				err := <-failed
				if name == "other end" {
					require.True(t, err == io.EOF || errors.Is(err, io.ErrClosedPipe), "%v", err)
				} else {
					require.ErrorIs(t, err, queue.ErrClosed)
				}
			}
		})
	}
}

func TestAPipeThatIsOneWay(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 2, queue.OneWay())
	require.NoError(t, a.Send(ctx, "there"))
	v, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "there", v)
	require.ErrorIs(t, b.Send(ctx, "back"), queue.ErrDirection)
	_, err = a.Recv(ctx)
	require.ErrorIs(t, err, queue.ErrDirection)
	require.ErrorIs(t, a.Poll(ctx), queue.ErrDirection)
	_, err = a.Ready()
	require.ErrorIs(t, err, queue.ErrDirection)
	require.NoError(t, b.Close())
	require.ErrorIs(t, a.Send(ctx, "more"), io.ErrClosedPipe)
	e, err := a.End()
	require.NoError(t, err)
	far, err := queue.PipeFrom[string, string](again(t, seg), e)
	require.NoError(t, err)
	require.ErrorIs(t, far.Send(ctx, "more"), io.ErrClosedPipe)
}

func TestAPipeDoesNotWaitWhereItMustNot(t *testing.T) {
	ctx := bounded(t)
	_, a, b := newPipe[uint64, uint64](t, 2)
	_, ok, err := b.TryRecv()
	require.NoError(t, err)
	require.False(t, ok)
	_, err = b.Recv(over())
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, b.Poll(over()), context.Canceled)
	for i := range uint64(2) {
		ok, err = a.TrySend(i)
		require.NoError(t, err)
		require.True(t, ok)
	}
	ok, err = a.TrySend(9)
	require.NoError(t, err)
	require.False(t, ok)
	require.ErrorIs(t, a.Send(over(), 9), context.Canceled)
	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.Send(soon, 9), context.DeadlineExceeded)
	for i := range uint64(2) {
		v, err := b.Recv(over()) // there is one
		require.NoError(t, err)
		require.Equal(t, i, v)
	}
	begin := time.Now()
	soon, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = b.Recv(soon)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
}

func TestAPipeIsBoundedByBytes(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 8, queue.MaxBytes(250))
	require.ErrorIs(t, a.Send(ctx, strings.Repeat("x", 251)), queue.ErrTooLarge)
	for range 5 {
		for range 2 {
			require.NoError(t, a.Send(ctx, strings.Repeat("x", 125)))
		}
		ok, err := a.TrySend("one more")
		require.NoError(t, err)
		require.False(t, ok)
		for range 2 {
			_, err := b.Recv(ctx)
			require.NoError(t, err)
		}
	}
	requireBlocks(t, seg, onePipe)
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

// nil64 is a codec that nobody should call.
type nil64 struct{}

func (nil64) Append([]byte, int64) ([]byte, error) { panic("called") }
func (nil64) Decode([]byte, *int64) error          { panic("called") }

func TestPipesThatCannotBe(t *testing.T) {
	seg := anonymous(t)
	for _, capacity := range []int{-1, 0, 1 << 30} {
		_, _, err := queue.NewPipe[int64, int64](seg, capacity)
		require.ErrorIs(t, err, queue.ErrCapacity)
	}
	codec := queue.Through[int64]("own", nil64{})
	for _, opt := range []shm.ObjectOption{shm.Named("pipe"), queue.DropOldest(), queue.Joinable(), sync.Bounded(), codec} {
		_, _, err := queue.NewPipe[int64, int64](seg, 1, opt)
		require.ErrorIs(t, err, queue.ErrOption)
	}
	_, _, err := queue.NewPipe[int64, int64](seg, 1, shm.Named("pipe"))
	require.ErrorContains(t, err, `name "pipe"`)
	_, _, err = queue.NewPipe[string, chan int](seg, 1)
	require.ErrorContains(t, err, "chan int")
}

func TestAnEndIsTakenOnce(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, uint64](t, 2)
	e, err := b.End()
	require.NoError(t, err)
	far := again(t, seg)
	_, err = queue.PipeFrom[string, uint64](far, e)
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = queue.PipeFrom[uint64, string](nil, queue.End{Pipe: shm.Ref{}})
	require.ErrorIs(t, err, shm.ErrNotExist)
	_, err = queue.PipeFrom[uint64, string](anonymous(t), e)
	require.ErrorIs(t, err, shm.ErrStale)
	require.NoError(t, b.Close())
	require.NoError(t, a.Send(ctx, "to one that is on its way")) // which counts as held
	c, err := queue.PipeFrom[uint64, string](far, e)
	require.NoError(t, err)
	_, err = queue.PipeFrom[uint64, string](far, e)
	require.ErrorIs(t, err, shm.ErrStale)
	v, err := c.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "to one that is on its way", v)
	for _, wrong := range []func(*queue.End){
		func(e *queue.End) { e.Side = 2 }, func(e *queue.End) { e.Share = 128 }, func(e *queue.End) { e.Hold += 8 }, func(e *queue.End) { e.Hold = 0 }, func(e *queue.End) { e.Hold |= 1 },
	} {
		w := e
		wrong(&w)
		_, err = queue.PipeFrom[uint64, string](far, w)
		require.Error(t, err)
	}
	require.NoError(t, c.Close())
	require.ErrorIs(t, a.Send(ctx, "nobody"), io.ErrClosedPipe)
}

func TestAnEndHasManyHandles(t *testing.T) {
	seg, a, _ := newPipe[string, string](t, 1)
	before := seg.Stats().Blocks
	for range 127 {
		_, err := a.End()
		require.NoError(t, err)
	}
	_, err := a.End()
	require.ErrorIs(t, err, queue.ErrShares)
	requireBlocks(t, seg, before+127)
}

// A message comes with the length that it has, whatever was in its slot, or in that of another, a moment before.
func TestReceiversWhoShareAnEndGetWholeMessages(t *testing.T) {
	const messages, longest, by = 20_000, 96, 3
	ctx := bounded(t)
	_, a, b := newPipe[string, string](t, 4, queue.OneWay())
	var receivers gosync.WaitGroup
	for range by {
		receivers.Go(func() {
			for m := make([]byte, longest); ; {
				n, err := b.RecvInto(ctx, m)
				if err == io.EOF {
					return
				}
				if err != nil || n != bytes.Count(m[:n], []byte{byte(n)}) {
					t.Errorf("%d bytes, %v: %v", n, m[:n], err)
					return
				}
			}
		})
	}
	for i := range messages {
		n := i * 37 % (longest + 1)
		require.NoError(t, a.SendBytes(ctx, bytes.Repeat([]byte{byte(n)}, n)))
	}
	require.NoError(t, a.Close())
	receivers.Wait()
}

func TestManyGoroutinesShareTheEndsOfAPipe(t *testing.T) {
	const each, by = 500, 4
	ctx := bounded(t)
	_, a, b := newPipe[uint64, string](t, 8, queue.OneWay())
	var senders, receivers gosync.WaitGroup
	for i := range uint64(by) {
		senders.Go(func() {
			for n := range uint64(each) {
				if err := a.Send(ctx, i*each+n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	got := make(chan uint64, by*each)
	for range by {
		receivers.Go(func() {
			for {
				v, err := b.Recv(ctx)
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				got <- v
			}
		})
	}
	senders.Wait()
	require.NoError(t, a.Close())
	receivers.Wait()
	close(got)
	seen := map[uint64]bool{}
	for v := range got {
		require.False(t, seen[v])
		seen[v] = true
	}
	require.Len(t, seen, by*each)
}

func TestAPipeIsInspected(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 3)
	require.NoError(t, a.Send(ctx, "one"))
	_, err := b.End()
	require.NoError(t, err)
	n := 0
	require.NoError(t, seg.Engine().Objects(func(o segment.Object, _ string) bool {
		n++
		info, err := queue.InspectPipe(o)
		require.NoError(t, err)
		require.Equal(t, "3 messages each way, end 0 with 1 handles has sent 1 that wait, end 1 with 1 handles and 1 on their way has sent 0 that wait", info.String())
		require.NoError(t, queue.CheckPipe(o))
		return true
	}))
	require.Equal(t, 1, n)
}

// Of the boxes that are emptied a pipe keeps fewer the larger they are.
func TestAPipeKeepsBoxesByTheirSize(t *testing.T) {
	const size = 16 << 20 // roomy's
	for part, kept := range map[int]uint64{128: 6, 40: 4, 20: 2, 10: 0} {
		ctx, seg := bounded(t), roomy(t)
		here, there, err := queue.NewPipe[[]byte, []byte](seg, 8)
		require.NoError(t, err)
		before := seg.Stats().Blocks
		n := min(8, part/3) // all of them have room at a time
		for range n {
			require.NoError(t, here.SendBytes(ctx, make([]byte, size/part)))
		}
		for range n {
			b, err := there.RecvBytes(ctx)
			require.NoError(t, err)
			require.Len(t, b, size/part)
		}
		requireBlocks(t, seg, before+min(kept, uint64(n)))
		runtime.KeepAlive(here)
	}
}

// A short message comes to a slot that names a box still.
func TestAShortMessageTakesTheSlotOfOneThatWasNotSent(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[uint64, []byte](t, 4)
	before := seg.Stats().Blocks
	for i := range uint64(9) {
		require.NoError(t, queue.LeaveBox(a))
		if i%2 == 0 {
			require.NoError(t, a.Send(ctx, i))
		} else {
			require.NoError(t, a.SendBytes(ctx, binary.NativeEndian.AppendUint64(nil, i)))
		}
		v, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, i, v)
		requireBlocks(t, seg, before)
	}
}

// Whether a message is sent to nobody is looked at behind it. Who receives it, and closes the end then or meanwhile, does not make its Send fail.
func TestAMessageIsSentUnlessNobodyReceivesIt(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	for name, receive := range map[string]func(b *queue.Pipe[uint64, uint64]) (uint64, error){
		"received before": func(b *queue.Pipe[uint64, uint64]) (uint64, error) {
			v, err := b.Recv(ctx)
			return v, errors.Join(err, b.Close())
		},
		"received meanwhile": func(b *queue.Pipe[uint64, uint64]) (v uint64, err error) {
			return queue.Midway(b, func() { require.NoError(t, b.Close()) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, err := queue.NewPipe[uint64, uint64](seg, 4)
			require.NoError(t, err)
			require.NoError(t, a.Send(ctx, 1))
			v, err := receive(b)
			require.NoError(t, err)
			require.Equal(t, uint64(1), v)
			require.NoError(t, queue.Sent(a, 0))
			require.ErrorIs(t, a.Send(ctx, 2), io.ErrClosedPipe)
		})
	}
	t.Run("while it is received", func(t *testing.T) {
		a, b, err := queue.NewPipe[uint64, uint64](seg, 4)
		require.NoError(t, err)
		require.NoError(t, a.Send(ctx, 1))
		_, err = queue.Midway(b, func() {
			require.NoError(t, b.Close())
			require.NoError(t, queue.Sent(a, 0))
		})
		require.NoError(t, err)
	})
	t.Run("not received", func(t *testing.T) {
		a, b, err := queue.NewPipe[uint64, uint64](seg, 4)
		require.NoError(t, err)
		require.NoError(t, a.Send(ctx, 1))
		require.NoError(t, b.Close())
		require.ErrorIs(t, queue.Sent(a, 0), io.ErrClosedPipe)
		_, err = b.Recv(ctx)
		require.ErrorIs(t, err, queue.ErrClosed)
	})
}
