package queue_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// moment is a context that is soon over.
func moment(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// requireTold requires that err is one of those that say what may be wrong.
func requireTold(t *testing.T, err error) {
	t.Helper()
	for _, may := range []error{
		nil, io.EOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.EADDRINUSE,
		queue.ErrBusy, queue.ErrDirection, queue.ErrTooLarge, queue.ErrFull, queue.ErrClosed, ring.ErrBusy, ring.ErrCapacity,
		shm.ErrCorrupt, shm.ErrNoSpace, shm.ErrStale, shm.ErrInUse, shm.ErrKind,
		context.DeadlineExceeded, context.Canceled, sync.ErrNotRecoverable, sync.ErrNotHeld,
	} {
		if errors.Is(err, may) {
			return
		}
	}
	require.NoError(t, err)
}

// body is the memory of the first object of that kind.
func body(t *testing.T, seg *shm.Segment, kind segment.Kind) (b []byte) {
	t.Helper()
	require.NoError(t, seg.Engine().Objects(func(o segment.Object, _ string) bool {
		if o.Kind() == kind {
			b = o.Bytes()
		}
		return b == nil
	}))
	return b
}

// Whatever byte of a pipe is another one, each call says at once what is there, or what is wrong.
func TestAPipeOfWhichAnyByteIsOverwritten(t *testing.T) {
	for at, end := 0, 1; at < end; at += 23 { // each offset in a word, and each line
		seg, err := shm.Anonymous(1<<16, shm.Participants(4))
		require.NoError(t, err)
		a, b, err := queue.NewPipe[string, string](seg, 2)
		require.NoError(t, err)
		require.NoError(t, a.Send(moment(t), strings.Repeat("one", 50)))
		e, err := b.End()
		require.NoError(t, err)
		memory := body(t, seg, segment.KindPipe)
		end = len(memory)
		memory[at] ^= byte(1 << (at % 8))
		far := again(t, seg)
		if b, err = queue.PipeFrom[string, string](far, e); err == nil {
			_, err = b.Ready()
			requireTold(t, err)
			_, err = b.Recv(moment(t))
			requireTold(t, err)
			_, err = b.TrySend(strings.Repeat("two", 50))
			requireTold(t, err)
			_, err = b.End()
			requireTold(t, err)
			_, _, err = b.TryRecv()
			requireTold(t, err)
			requireTold(t, b.Send(moment(t), "three"))
			requireTold(t, b.Poll(moment(t)))
			_, err = queue.Select(moment(t), b)
			requireTold(t, err)
			err = b.Close()
		}
		requireTold(t, err)
		require.NoError(t, far.Close())
		require.NoError(t, seg.Close())
	}
}

// The same of a listener, and its first link.
func TestAListenerOfWhichAnyByteIsOverwritten(t *testing.T) {
	const first = 384 + 64
	for at := 0; at < first; at += 3 {
		seg, err := shm.Anonymous(2<<20, shm.Participants(4))
		require.NoError(t, err)
		l, err := queue.Listen(seg, "here", queue.MaxBytes(1))
		require.NoError(t, err)
		a, err := queue.Dial(bounded(t), seg, "here")
		require.NoError(t, err)
		body(t, seg, segment.KindListener)[at] ^= byte(1 << (at % 8))
		b, err := queue.Dial(moment(t), seg, "here")
		requireTold(t, err)
		if err == nil {
			_, err = b.Write([]byte("x"))
			requireTold(t, err)
			requireTold(t, b.Close())
		}
		requireTold(t, a.Close())
		requireTold(t, l.Close())
		l, err = queue.Listen(seg, "here")
		requireTold(t, err)
		if err == nil {
			requireTold(t, l.Close())
		}
		require.NoError(t, seg.Close())
	}
}
