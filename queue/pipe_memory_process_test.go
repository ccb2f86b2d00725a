package queue_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// onePipe is how many blocks a pipe has whose ends have a handle each: the pipe and two holds.
const onePipe = 3

// requireCollected is requireBlocks, when what nobody uses any more is collected.
func requireCollected(t *testing.T, seg *shm.Segment, n uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		runtime.GC()
		return sweep(seg) == nil && seg.Stats().Blocks == n
	}, 30*time.Second, time.Millisecond)
	requireBlocks(t, seg, n)
}

// spoken is a pipe with messages in boxes each way, and boxes that it keeps.
func spoken(t *testing.T, seg *shm.Segment, opts ...shm.ObjectOption) (here, there *queue.Pipe[string, string]) {
	t.Helper()
	ctx := bounded(t)
	here, there, err := queue.NewPipe[string, string](seg, 4, opts...)
	require.NoError(t, err)
	require.NoError(t, here.Send(ctx, strings.Repeat(lengthy, 1000)))
	_, err = there.Recv(ctx)
	require.NoError(t, err)
	for range 4 {
		require.NoError(t, here.Send(ctx, lengthy))
		if len(opts) == 0 {
			require.NoError(t, there.Send(ctx, lengthy))
		}
	}
	return here, there
}

// requireSpoken receives what spoken has sent to an end.
func requireSpoken(t *testing.T, p *queue.Pipe[string, string]) {
	t.Helper()
	for range 4 {
		v, err := p.Recv(bounded(t))
		require.NoError(t, err)
		require.Equal(t, lengthy, v)
	}
}

func TestAPipeThatNobodyHasIsFree(t *testing.T) {
	for name, opts := range map[string][]shm.ObjectOption{"duplex": nil, "one-way": {queue.OneWay()}} {
		t.Run(name, func(t *testing.T) {
			seg := roomy(t)
			a, b := spoken(t, seg, opts...)
			e, err := a.End()
			require.NoError(t, err)
			c, err := queue.PipeFrom[string, string](seg, e)
			require.NoError(t, err)
			require.ErrorIs(t, seg.Destroy(e.Pipe), shm.ErrStale, "it is its holders'")
			used := seg.Stats().Blocks
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
			runtime.KeepAlive(a)
			runtime.KeepAlive(b)
			requireCollected(t, seg, used-2)
			v, err := c.Recv(bounded(t))
			if name == "duplex" {
				require.NoError(t, err)
				require.Equal(t, lengthy, v)
			}
			require.NoError(t, c.Close())
			requireCollected(t, seg, 0)
		})
	}
}

// Like a file, a handle that nobody has closed is, when it is collected.
func TestAHandleThatIsCollectedIsClosed(t *testing.T) {
	seg := roomy(t)
	a, _ := spoken(t, seg)
	eof := make(chan error)
	go func() {
		for {
			if _, err := a.Recv(context.Background()); err != nil {
				eof <- err
				return
			}
		}
	}()
	for waits := true; waits; {
		runtime.GC()
		select {
		case err := <-eof:
			require.Equal(t, io.EOF, err)
			waits = false
		case <-time.After(time.Millisecond):
		}
	}
	require.NoError(t, a.Close())
	requireCollected(t, seg, 0)
}

// What is on its way is held, whoever else gives the pipe up.
func TestAnEndThatIsOnItsWayKeepsThePipe(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	q, err := queue.New[queue.End](seg, 4)
	require.NoError(t, err)
	before := seg.Stats().Blocks
	func() {
		a, b := spoken(t, seg)
		require.NoError(t, q.Put(ctx, passed(t, a)))
		require.NoError(t, q.Put(ctx, passed(t, b)))
	}()
	requireCollected(t, seg, before+1+2+8+1) // the pipe, holds, messages, and the box that it keeps
	for range 2 {
		e, err := q.Get(ctx)
		require.NoError(t, err)
		p, err := queue.PipeFrom[string, string](seg, e)
		require.NoError(t, err)
		requireSpoken(t, p)
		require.NoError(t, p.Close())
	}
	requireCollected(t, seg, before)
}

// A program that makes pipes, and closes them, has room for as many as it likes.
func TestThereIsRoomForPipesBehindThoseThatAreClosed(t *testing.T) {
	seg, err := shm.Anonymous(1 << 18)
	require.NoError(t, err)
	defer seg.Close()
	ctx := bounded(t)
	for range 2_000 {
		a, b, err := queue.NewPipe[string, string](seg, 8)
		require.NoError(t, err)
		require.NoError(t, a.Send(ctx, lengthy))
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
	a, _, err := queue.NewPipe[string, string](seg, 8)
	require.NoError(t, err)
	kept := []*queue.Pipe[string, string]{a}
	for err == nil {
		if a, _, err = queue.NewPipe[string, string](seg, 8); err == nil {
			kept = append(kept, a)
		}
	}
	require.ErrorIs(t, err, shm.ErrNoSpace, "those are in use")
	require.Greater(t, len(kept), 10)
	runtime.KeepAlive(kept)
}

// idler has an end, and never closes it.
var idler = proc.Func("queue_test.idler", func(ctx context.Context, p *texts) error {
	<-ctx.Done()
	runtime.KeepAlive(p)
	return nil
})

// Nobody who has it closes it, and who made it is not there any more.
func TestThePipeOfTwoWhoAreKilledIsFree(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	a, b := spoken(t, seg)
	one, err := idler.Start(ctx, a, proc.Share(seg))
	require.NoError(t, err)
	other, err := idler.Start(ctx, b, proc.Share(seg))
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	collectAll()
	require.Greater(t, seg.Stats().Blocks, uint64(8), "messages are there")
	for _, p := range []*proc.Process{one, other} {
		require.NoError(t, p.Signal(syscall.SIGKILL))
		require.Error(t, p.Wait(ctx))
	}
	requireCollected(t, seg, 0)
}
