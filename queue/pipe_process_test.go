package queue_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// errand is what a process is to do with an end of a pipe.
type errand struct {
	End   queue.End
	Pipe  *texts // in its place
	Count uint64
	Queue shm.Ref
}

func endIn[S, R any](ctx context.Context, e errand) (*queue.Pipe[S, R], error) {
	if p, ok := any(e.Pipe).(*queue.Pipe[S, R]); ok && p != nil {
		return p, nil
	}
	return queue.PipeFrom[S, R](proc.Segments(ctx)[0], e.End)
}

// passed is an End of p, whose handle here is closed: none but that on its way is left.
func passed[S, R any](t *testing.T, p *queue.Pipe[S, R]) queue.End {
	t.Helper()
	e, err := p.End()
	require.NoError(t, err)
	require.NoError(t, p.Close())
	return e
}

var startErrand = proctest.Start[errand]

// echo sends back what it receives, until there is nothing more.
var echo = proc.Func("queue_test.echo", func(ctx context.Context, e errand) error {
	p, err := endIn[string, string](ctx, e)
	if err != nil {
		return err
	}
	return echoAll(ctx, p)
})

func echoAll(ctx context.Context, p *texts) error {
	for {
		v, err := p.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.Send(ctx, v); err != nil {
			return err
		}
	}
}

func TestAChildEchoesThroughAPipe(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 4)
	p := startErrand(t, echo, seg, errand{End: passed(t, b)})
	for i := range uint64(3000) {
		require.NoError(t, a.Send(ctx, textOf(i)))
		v, err := a.Recv(ctx)
		require.NoError(t, err)
		n, err := ofText(v)
		require.NoError(t, err)
		require.Equal(t, i, n)
	}
	require.NoError(t, a.Close())
	require.NoError(t, p.Wait(ctx)) // it got io.EOF
	requireCollected(t, seg, 0)
}

// counter sends numbers until it is killed, or has sent as many as it should.
var counter = proc.Func("queue_test.counter", func(ctx context.Context, e errand) error {
	p, err := endIn[string, string](ctx, e)
	for i := uint64(1); err == nil && i <= e.Count; i++ {
		err = p.Send(ctx, textOf(i))
	}
	return err
})

// What a killed sender had sent comes, as a whole and in its order, and then the end.
func TestTheOtherEndOfAPipeIsKilled(t *testing.T) {
	ctx := bounded(t)
	for range 6 {
		seg, a, b := newPipe[string, string](t, 8)
		p := startErrand(t, counter, seg, errand{End: passed(t, b), Count: 1 << 40})
		n := uint64(0)
		recv := func() error {
			v, err := a.Recv(ctx)
			if err != nil {
				return err
			}
			n++
			got, err := ofText(v)
			require.NoError(t, err)
			require.Equal(t, n, got)
			return nil
		}
		for range 100 + rand.IntN(2000) {
			require.NoError(t, recv())
		}
		kill(t, p)
		var err error
		for err == nil {
			err = recv()
		}
		require.Equal(t, io.EOF, err)
		require.ErrorIs(t, a.Send(ctx, "nobody"), io.ErrClosedPipe)
		require.NoError(t, seg.Check())
	}
}

// sink receives until it is killed.
var sink = proc.Func("queue_test.sink", func(ctx context.Context, e errand) error {
	p, err := endIn[string, string](ctx, e)
	for err == nil {
		_, err = p.Recv(ctx)
	}
	return err
})

// One who waits for room, or for a message, is told when the other end dies.
func TestWhoWaitsAtAPipeIsToldOfADeath(t *testing.T) {
	ctx := bounded(t)
	for range 3 {
		seg, a, b := newPipe[string, string](t, 2)
		p := startErrand(t, sink, seg, errand{End: passed(t, b)})
		for i := range uint64(500) {
			require.NoError(t, a.Send(ctx, textOf(i)))
		}
		require.NoError(t, proctest.Stop(p.Pid()))
		failed := make(chan error, 2)
		go func() {
			var err error
			for err == nil {
				err = a.Send(ctx, "more")
			}
			failed <- err
		}()
		go func() {
			_, err := a.Recv(ctx)
			failed <- err
		}()
		kill(t, p)
		for range 2 {
			if err := <-failed; err != io.EOF {
				require.ErrorIs(t, err, io.ErrClosedPipe)
			}
		}
		require.NoError(t, seg.Check())
	}
}

// An end is shared by processes of which one is killed: the others go on, and the end is not closed.
func TestAnEndIsSharedByProcesses(t *testing.T) {
	const sharers, each = 3, 1000
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 8)
	victim := startErrand(t, counter, seg, errand{Pipe: b, Count: 1 << 40}) // it has its end when it is started, not soon after
	var children []*proc.Process
	for range sharers {
		children = append(children, startErrand(t, counter, seg, errand{Pipe: b, Count: each}))
	}
	require.NoError(t, b.Close())
	last := map[uint64]int{} // how often a number came
	for i := 0; ; i++ {
		v, err := a.Recv(ctx)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		n, err := ofText(v)
		require.NoError(t, err)
		last[n]++
		if i == 500 {
			kill(t, victim)
		}
	}
	for n := uint64(1); n <= each; n++ {
		require.GreaterOrEqual(t, last[n], sharers, "message %d", n)
		require.LessOrEqual(t, last[n], sharers+1, "message %d", n)
	}
	for _, p := range children {
		require.NoError(t, p.Wait(ctx))
	}
}

// courier puts an end that it has into a queue, and exits.
var courier = proc.Func("queue_test.courier", func(ctx context.Context, e errand) error {
	p, err := endIn[string, string](ctx, e)
	if err != nil {
		return err
	}
	q, err := queue.From[queue.End](proc.Segments(ctx)[0], e.Queue)
	if err != nil {
		return err
	}
	on, err := p.End()
	if err != nil {
		return err
	}
	if err := p.Close(); err != nil {
		return err
	}
	return q.Put(ctx, on)
})

// An end that lies in a queue is held, though whoever put it there is gone.
func TestAnEndOnItsWayIsHeld(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 8)
	q, err := queue.New[queue.End](seg, 1)
	require.NoError(t, err)
	p := startErrand(t, courier, seg, errand{End: passed(t, b), Queue: q.Ref()})
	require.NoError(t, p.Wait(ctx))
	ready, err := a.Ready()
	require.NoError(t, err)
	require.False(t, ready)
	e, err := q.Get(ctx)
	require.NoError(t, err)
	b, err = queue.PipeFrom[string, string](seg, e)
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, "it came"))
	v, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "it came", v)
}

// poller looks whether there is a message, again and again, and takes none.
var poller = proc.Func("queue_test.poller", func(ctx context.Context, e errand) error {
	p, err := endIn[string, string](ctx, e)
	if err != nil {
		return err
	}
	for range e.Count {
		if err := p.Poll(ctx); err != nil {
			return err
		}
	}
	if err := p.Close(); err != nil {
		return fmt.Errorf("after %d polls: %w", e.Count, err)
	}
	return nil
})

func TestPollInAnotherProcessTakesNothing(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[string, string](t, 4)
	e, err := b.End()
	require.NoError(t, err)
	p := startErrand(t, poller, seg, errand{End: e, Count: 1000})
	done := make(chan error, 1)
	go func() { done <- p.Wait(ctx) }()
	for i, over := uint64(0), false; !over; i++ {
		select {
		case err := <-done:
			require.NoError(t, err)
			over = true
		default:
		}
		require.NoError(t, a.Send(ctx, textOf(i)))
		v, err := b.Recv(ctx)
		require.NoError(t, err)
		n, err := ofText(v)
		require.NoError(t, err)
		require.Equal(t, i, n)
	}
}

// expirer is killed when it is about to receive a message.
var expirer = proc.Func("queue_test.expirer", func(ctx context.Context, e errand) error {
	p, err := endIn[uint64, uint64](ctx, e)
	if err != nil {
		return err
	}
	_, err = queue.Midway(p, func() {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	})
	return err
})

func TestASendToOneWhoDiedWhileHeReceivedFails(t *testing.T) {
	ctx := bounded(t)
	seg, a, b := newPipe[uint64, uint64](t, 4)
	require.NoError(t, a.Send(ctx, 1))
	p := startErrand(t, expirer, seg, errand{End: passed(t, b)})
	require.Error(t, p.Wait(ctx))
	ready, err := a.Ready() // which asks who is dead
	require.NoError(t, err)
	require.True(t, ready)
	require.ErrorIs(t, a.Send(ctx, 2), io.ErrClosedPipe)
	require.ErrorIs(t, queue.Sent(a, 0), io.ErrClosedPipe)
}

// A message that is received was sent, whoever closes meanwhile.
func TestAMessageIsSentOrNotWhileTheOtherEndCloses(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	for range 2_000 {
		a, b, err := queue.NewPipe[uint64, uint64](seg, 4)
		require.NoError(t, err)
		received, closed := make(chan bool), make(chan error)
		go func() {
			_, err := b.Recv(ctx)
			received <- err == nil
		}()
		go func() { closed <- b.Close() }()
		err = a.Send(ctx, 1)
		if <-received {
			require.NoError(t, err)
		}
		require.NoError(t, <-closed)
		require.NoError(t, a.Close())
	}
}
