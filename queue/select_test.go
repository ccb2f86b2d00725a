package queue_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// field has one of each that Select waits for, and makes each of them ready.
type field struct {
	waiters []queue.Waiter
	ready   []func(ctx context.Context) error
}

func newField(t *testing.T) field {
	seg := roomy(t)
	far := again(t, seg)
	q, err := queue.New[uint64](seg, 4)
	require.NoError(t, err)
	farQ, err := queue.From[uint64](far, q.Ref())
	require.NoError(t, err)
	shut, err := queue.New[string](seg, 4)
	require.NoError(t, err)
	a, b, err := queue.NewPipe[string, string](seg, 4)
	require.NoError(t, err)
	c, d, err := queue.NewPipe[string, string](seg, 4)
	require.NoError(t, err)
	e, err := sync.NewEvent(seg)
	require.NoError(t, err)
	l := listening(t, seg)
	done := make(chan struct{})
	other := anonymous(t) // another segment
	o, err := queue.New[uint64](other, 4)
	require.NoError(t, err)
	return field{
		waiters: []queue.Waiter{q, shut, a, c, e, l, queue.Closed(done), o},
		ready: []func(context.Context) error{
			func(ctx context.Context) error { return farQ.Put(ctx, 1) },
			func(context.Context) error { return shut.Shutdown() },
			func(ctx context.Context) error { return b.Send(ctx, "x") },
			func(context.Context) error { return d.Close() },
			func(context.Context) error { return e.Set() },
			func(ctx context.Context) error { _, err := queue.Dial(ctx, far, "here"); return err },
			func(context.Context) error { close(done); return nil },
			func(ctx context.Context) error { return o.Put(ctx, 1) },
		},
	}
}

func TestSelectReturnsWhatIsReady(t *testing.T) {
	for i := range newField(t).waiters {
		for _, early := range []bool{true, false} {
			ctx, f := bounded(t), newField(t)
			if early {
				require.NoError(t, f.ready[i](ctx))
			}
			type result struct {
				i   int
				err error
			}
			got := make(chan result, 1)
			go func() {
				i, err := queue.Select(ctx, f.waiters...)
				got <- result{i, err}
			}()
			if !early {
				require.NoError(t, f.ready[i](ctx))
			}
			require.Equal(t, result{i: i}, <-got)
			n, err := queue.Select(over(), f.waiters...) // nothing was taken
			require.NoError(t, err)
			require.Equal(t, i, n)
		}
	}
}

func TestSelectEndsWithItsContext(t *testing.T) {
	f := newField(t)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(bounded(t), 20*time.Millisecond)
	defer cancel()
	_, err := queue.Select(ctx, f.waiters...)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
	_, err = queue.Select(over(), f.waiters...)
	require.ErrorIs(t, err, context.Canceled)
	_, err = queue.Select(ctx)
	require.Error(t, err)
	_, err = queue.Select(ctx, f.waiters[0], nil)
	require.EqualError(t, err, "queue: select: waiter 1 is nil")
}

func TestCloseEndsASelect(t *testing.T) {
	for name, end := range map[string]func(seg *shm.Segment, p io.Closer) error{
		"the segment": func(seg *shm.Segment, _ io.Closer) error { return seg.Close() },
		"the handle":  func(_ *shm.Segment, p io.Closer) error { return p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			seg, a, _ := newPipe[string, string](t, 1)
			got := make(chan error, 1)
			go func() {
				i, err := queue.Select(context.Background(), a)
				if i != 0 && err == nil {
					err = io.ErrUnexpectedEOF
				}
				got <- err
			}()
			require.NoError(t, end(seg, a))
			if err := <-got; err != nil {
				require.ErrorIs(t, err, queue.ErrClosed)
			}
			_, _, err := a.TryRecv()
			require.ErrorIs(t, err, queue.ErrClosed)
		})
	}
}

// Of some processes that send, each message comes, and the end of each.
func TestSelectOverProcesses(t *testing.T) {
	const senders, each = 4, 500
	ctx := bounded(t)
	seg := anonymous(t)
	var pipes []*queue.Pipe[string, string]
	for range senders {
		a, b, err := queue.NewPipe[string, string](seg, 4)
		require.NoError(t, err)
		pipes = append(pipes, a)
		startErrand(t, counter, seg, errand{End: passed(t, b), Count: each})
	}
	for n := 0; len(pipes) > 0; {
		waiters := make([]queue.Waiter, len(pipes))
		for i, p := range pipes {
			waiters[i] = p
		}
		i, err := queue.Select(ctx, waiters...)
		require.NoError(t, err)
		_, ok, err := pipes[i].TryRecv()
		if err == io.EOF {
			pipes = append(pipes[:i], pipes[i+1:]...)
		} else {
			require.NoError(t, err)
			require.True(t, ok)
			n++
		}
		if len(pipes) == 0 {
			require.Equal(t, senders*each, n)
		}
	}
}

// A Select that sleeps is told when the other end of a pipe is killed, and when a process has ended.
func TestSelectIsToldOfADeath(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 4)
	q, err := queue.New[string](seg, 1)
	require.NoError(t, err)
	p := startErrand(t, sink, seg, errand{End: passed(t, b)})
	for range 100 {
		require.NoError(t, a.Send(ctx, "x"))
	}
	require.NoError(t, proctest.Stop(p.Pid()))
	got := make(chan int, 2)
	for _, waiters := range [][]queue.Waiter{{q, a}, {q, queue.Closed(p.Done())}} {
		go func() {
			i, err := queue.Select(ctx, waiters...)
			if err != nil {
				t.Error(err)
			}
			got <- i
		}()
	}
	kill(t, p)
	require.Equal(t, 1, <-got)
	require.Equal(t, 1, <-got)
}

// Of a queue with leases what came back is ready, and what others have is not, though the queue be shut down.
func TestSelectOverLeases(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := leasing(t, seg, 1)
	other, err := queue.From[string](again(t, seg), q.Ref())
	require.NoError(t, err)
	selected := func(q *queue.Queue[string]) chan error {
		got := make(chan error, 1)
		go func() {
			_, err := queue.Select(ctx, q)
			got <- err
		}()
		return got
	}

	l := lease(t, other, 0, 1)
	early := selected(q)
	require.NoError(t, l.Nack())
	require.NoError(t, <-early)
	require.NoError(t, <-selected(q))

	l = lease(t, q, 0, 2)
	require.NoError(t, q.Shutdown())
	_, err = queue.Select(over(), other)
	require.ErrorIs(t, err, context.Canceled)
	late := selected(other)
	require.NoError(t, l.Ack())
	require.NoError(t, <-late)
	_, err = other.Get(ctx)
	require.ErrorIs(t, err, queue.ErrShutDown)
}

func TestSelectIsToldOfWhatADeadConsumerHad(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := leasing(t, seg, 2)
	told, err := queue.New[uint64](seg, 8)
	require.NoError(t, err)
	for _, early := range []bool{true, false} {
		p := start(t, holder, seg, task{Queue: q.Ref(), Answer: told.Ref(), N: 2})
		for range 2 {
			_ = must(told.Get(ctx))
		}
		if early {
			kill(t, p)
		}
		got := make(chan error)
		go func() {
			_, err := queue.Select(ctx, q)
			got <- err
		}()
		if !early {
			kill(t, p)
		}
		require.NoError(t, <-got)
		require.Equal(t, 2, q.Len())
	}
}
