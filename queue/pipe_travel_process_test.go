package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

type (
	texts     = queue.Pipe[string, string]
	someTexts struct {
		Label string
		Ends  []*texts
	}
)

// talker echoes what it receives.
var talker = proc.Func("queue_test.talker", echoAll)

func TestAPipeArrivesInTheArgumentsOfAChild(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	a, b, err := queue.NewPipe[string, string](seg, 4)
	require.NoError(t, err)
	p, err := talker.Start(ctx, b, proc.Share(seg))
	require.NoError(t, err)
	require.NoError(t, b.Close())
	for i := range uint64(100) {
		require.NoError(t, a.Send(ctx, textOf(i)))
		v, err := a.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, textOf(i), v)
	}
	require.NoError(t, p.Signal(syscall.SIGKILL))
	_, err = a.Recv(ctx)
	require.Equal(t, io.EOF, err, "nobody has the other end any more")
	require.Error(t, p.Wait(ctx))
	require.NoError(t, a.Close())
	_, err = talker.Start(ctx, a, proc.Share(seg))
	require.ErrorIs(t, err, queue.ErrClosed)
	requireCollected(t, seg, 0)
}

// collectAll has what nobody uses collected, as far as that can be had done at once.
func collectAll() {
	for range 3 {
		runtime.GC()
	}
}

// carriers are what a Pipe may be sent through, as a way to put one and a way to get it.
func carriers(t *testing.T, seg *shm.Segment, opts ...shm.ObjectOption) map[string]func() (func(context.Context, *texts) error, func(context.Context) (*texts, error)) {
	type put = func(context.Context, *texts) error
	type get = func(context.Context) (*texts, error)
	return map[string]func() (put, get){
		"queue": func() (put, get) {
			q, err := queue.New[*texts](seg, 2, opts...)
			require.NoError(t, err)
			return q.Put, q.Get
		},
		"queue of anys": func() (put, get) {
			shm.Register[*texts]()
			q, err := queue.New[any](seg, 2, opts...)
			require.NoError(t, err)
			return func(ctx context.Context, p *texts) error { return q.Put(ctx, p) },
				func(ctx context.Context) (*texts, error) { v, err := q.Get(ctx); p, _ := v.(*texts); return p, err }
		},
		"lease": func() (put, get) {
			q, err := queue.New[*texts](seg, 2, queue.Leases())
			require.NoError(t, err)
			return q.Put, func(ctx context.Context) (*texts, error) {
				first, err := q.Lease(ctx)
				if err == nil {
					err = errors.Join(first.Message.Close(), first.Nack()) // and it comes again
				}
				if err != nil {
					return nil, err
				}
				l, err := q.Lease(ctx)
				if err == nil {
					err = l.Ack()
				}
				return l.Message, err
			}
		},
		"pipe": func() (put, get) {
			in, out, err := queue.NewPipe[*texts, int](seg, 2, queue.OneWay())
			require.NoError(t, err)
			return in.Send, out.Recv
		},
	}
}

// A producer may give everything up when Put returns, and nothing is lost.
func TestAPipeInAMessageIsHeld(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	for name, carrier := range carriers(t, seg) {
		t.Run(name, func(t *testing.T) {
			put, get := carrier()
			func() {
				a, b := spoken(t, seg)
				require.NoError(t, put(ctx, a))
				require.NoError(t, put(ctx, b))
				require.NoError(t, a.Close())
				require.NoError(t, b.Close())
			}()
			collectAll()
			one, err := get(ctx)
			require.NoError(t, err)
			requireSpoken(t, one)
			ok, err := one.TrySend("to one that is in a message")
			require.NoError(t, err)
			require.False(t, ok, "there are four already")
			require.NoError(t, one.Close())
			other, err := get(ctx)
			require.NoError(t, err)
			requireSpoken(t, other)
			_, err = other.Recv(ctx)
			require.Equal(t, io.EOF, err)
			require.NoError(t, other.Close())
		})
	}
}

// A message that nobody gets holds nothing.
func TestAPipeInAMessageThatIsDroppedIsClosed(t *testing.T) {
	ctx := bounded(t)
	closed := func(t *testing.T, a *texts) {
		t.Helper()
		_, err := a.Recv(ctx)
		require.Equal(t, io.EOF, err)
		require.NoError(t, a.Close())
	}
	pair := func(t *testing.T, seg *shm.Segment) (a, b *texts) {
		a, b, err := queue.NewPipe[string, string](seg, 2)
		require.NoError(t, err)
		return a, b
	}
	for name, drop := range map[string]func(t *testing.T, seg *shm.Segment, b *texts){
		"the oldest": func(t *testing.T, seg *shm.Segment, b *texts) {
			q, err := queue.New[*texts](seg, 1, queue.DropOldest())
			require.NoError(t, err)
			require.NoError(t, q.Put(ctx, b))
			require.NoError(t, q.Put(ctx, nil))
		},
		"all, at the end": func(t *testing.T, seg *shm.Segment, b *texts) {
			q, err := queue.New[*texts](seg, 1)
			require.NoError(t, err)
			require.NoError(t, q.Put(ctx, b))
			require.NoError(t, q.ShutdownNow())
		},
		"with the queue": func(t *testing.T, seg *shm.Segment, b *texts) {
			q, err := queue.New[*texts](seg, 1)
			require.NoError(t, err)
			require.NoError(t, q.Put(ctx, b))
			require.NoError(t, seg.Destroy(q.Ref()))
		},
		"before it was put": func(t *testing.T, seg *shm.Segment, b *texts) {
			q, err := queue.New[*texts](seg, 1)
			require.NoError(t, err)
			require.NoError(t, q.Put(ctx, nil))
			require.ErrorIs(t, q.Put(moment(t), b), context.DeadlineExceeded)
			require.ErrorContains(t, q.Put(ctx, new(texts)), "*queue.Pipe[string,string]")
		},
		"with a pipe": func(t *testing.T, seg *shm.Segment, b *texts) {
			in, out, err := queue.NewPipe[*texts, int](seg, 1)
			require.NoError(t, err)
			require.NoError(t, in.Send(ctx, b))
			require.NoError(t, in.Close())
			require.NoError(t, out.Close())
		},
		"by a channel": func(t *testing.T, seg *shm.Segment, b *texts) {
			q, err := queue.New[*texts](seg, 1)
			require.NoError(t, err)
			chanCtx, cancel := context.WithCancel(ctx)
			values := q.Chan(chanCtx)
			require.NoError(t, q.Put(ctx, b))
			for q.Len() > 0 {
				runtime.Gosched()
			}
			cancel()
			for v := range values { // it may be there already
				require.NoError(t, v.Close())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			seg := roomy(t)
			a, b := pair(t, seg)
			drop(t, seg, b)
			require.NoError(t, b.Close())
			collectAll() // of a pipe that has the message
			closed(t, a)
		})
	}
}

func TestAMessageHasSoManyPipes(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	q, err := queue.New[someTexts](seg, 4)
	require.NoError(t, err)
	var m someTexts
	for range 4 {
		a, b, err := queue.NewPipe[string, string](seg, 2)
		require.NoError(t, err)
		m.Ends = append(m.Ends, a, b, a)
	}
	for range 4 {
		a, _, err := queue.NewPipe[string, string](seg, 2)
		require.NoError(t, err)
		m.Ends = append(m.Ends, a)
	}
	require.NoError(t, q.Put(ctx, m))
	one, _, err := queue.NewPipe[string, string](seg, 2)
	require.NoError(t, err)
	require.ErrorContains(t, q.Put(ctx, someTexts{Ends: append(m.Ends, one)}), "ends of 9 pipes, and a message has 8 at most")
	require.Equal(t, 1, q.Len())
	for _, p := range m.Ends {
		_ = p.Close() // some of them are there twice
	}
	got, err := q.Get(ctx)
	require.NoError(t, err)
	require.Len(t, got.Ends, 16)
	require.NoError(t, got.Ends[0].Send(ctx, "through"))
	v, err := got.Ends[1].Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "through", v)
	for _, p := range got.Ends {
		require.NoError(t, p.Close())
	}
	require.NoError(t, one.Close())
	require.NoError(t, seg.Destroy(q.Ref()))
	requireCollected(t, seg, 0)
}

func TestAPipeTravelsInItsOwnSegment(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[someTexts](anonymous(t), 4)
	require.NoError(t, err)
	a, _, err := queue.NewPipe[string, string](seg, 2)
	require.NoError(t, err)
	err = q.Put(ctx, someTexts{Ends: []*texts{nil, a}})
	require.ErrorIs(t, err, queue.ErrElsewhere)
	require.ErrorContains(t, err, "Ends[1]: *queue.Pipe[string,string]: ")
	require.NoError(t, a.Close())
	there, err := queue.New[*texts](seg, 4)
	require.NoError(t, err)
	err = there.Put(ctx, a)
	require.ErrorIs(t, err, queue.ErrClosed)
	require.Zero(t, there.Len()+q.Len())
}

// taker gets a pipe, says so, and never closes it.
var taker = proc.Func("queue_test.taker", func(ctx context.Context, q *queue.Queue[*texts]) error {
	p, err := q.Get(ctx)
	if err == nil {
		err = p.Send(ctx, "taken")
	}
	if err != nil {
		return fmt.Errorf("take: %w", err)
	}
	<-ctx.Done()
	return p.Close()
})

func TestAPipeThatWasTakenGoesWithWhoTookIt(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[*texts](seg, 1)
	require.NoError(t, err)
	before := seg.Stats().Blocks
	a, b, err := queue.NewPipe[string, string](seg, 2)
	require.NoError(t, err)
	p, err := taker.Start(ctx, q, proc.Share(seg))
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, b))
	require.NoError(t, b.Close())
	v, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "taken", v)
	require.NoError(t, p.Signal(syscall.SIGKILL))
	_, err = a.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.Error(t, p.Wait(ctx))
	require.NoError(t, a.Close())
	requireCollected(t, seg, before)
}

// quiet has an end, and does nothing with it.
var quiet = proc.Func("queue_test.quiet", func(ctx context.Context, p *queue.Pipe[int, *texts]) error {
	<-ctx.Done()
	return p.Close()
})

// What was sent to an end that is closed, or whose processes are dead, keeps nobody waiting.
func TestAPipeInAMessageThatNobodyCanGetIsClosed(t *testing.T) {
	for _, how := range []string{"closed", "dead"} {
		t.Run(how, func(t *testing.T) {
			ctx, seg := bounded(t), anonymous(t)
			in, out, err := queue.NewPipe[*texts, int](seg, 4)
			require.NoError(t, err)
			a, b, err := queue.NewPipe[string, string](seg, 4)
			require.NoError(t, err)
			require.NoError(t, in.Send(ctx, b))
			require.NoError(t, b.Close())
			if how == "closed" {
				require.NoError(t, out.Close())
			} else {
				p, err := quiet.Start(ctx, out, proc.Share(seg))
				require.NoError(t, err)
				require.NoError(t, out.Close())
				require.NoError(t, p.Signal(syscall.SIGKILL))
				require.Error(t, p.Wait(ctx))
				for err == nil {
					err = in.Send(ctx, nil)
				}
				require.ErrorIs(t, err, io.ErrClosedPipe)
			}
			_, err = a.Recv(ctx)
			require.Equal(t, io.EOF, err)
			runtime.KeepAlive(in)
		})
	}
}

func TestAPipeIsNotSentThroughItself(t *testing.T) {
	type self struct{ Ends []any }
	shm.Register[*queue.Pipe[self, self]]()
	ctx, seg := bounded(t), anonymous(t)
	a, b, err := queue.NewPipe[self, self](seg, 4)
	require.NoError(t, err)
	for _, end := range []any{a, b} {
		require.ErrorContains(t, a.Send(ctx, self{[]any{1, end}}), "an end of the pipe that it is sent through")
	}
	ready, err := b.Ready()
	require.NoError(t, err)
	require.False(t, ready)
}

// A message that is dropped gives up the memory of what it has at once: nobody has called anything of that.
func TestWhatIsDroppedIsFreeAtOnce(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	grave, err := queue.New[*texts](seg, 1)
	require.NoError(t, err)
	q, err := queue.New[*texts](seg, 2, queue.Leases(), queue.DeadTo(grave, 1))
	require.NoError(t, err)
	a, b, err := queue.NewPipe[string, string](seg, 4)
	require.NoError(t, err)
	require.NoError(t, grave.Put(ctx, nil)) // it is full
	require.NoError(t, q.Put(ctx, b))
	require.NoError(t, b.Close())
	collectAll()
	l, err := q.Lease(ctx)
	require.NoError(t, err)
	require.NoError(t, l.Message.Close())
	require.NoError(t, l.Nack())
	collectAll()
	requireCollected(t, seg, seg.Stats().Blocks)
	before := seg.Stats().Blocks
	for range 10 { // it has no room in the queue for the dead
		_, err := q.Lease(moment(t))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Equal(t, before, seg.Stats().Blocks)
	_, err = grave.Get(ctx)
	require.NoError(t, err)
	_, err = q.Lease(moment(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	got, err := grave.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, got.Send(ctx, "from the dead"))
	v, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "from the dead", v)
}
