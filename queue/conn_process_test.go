package queue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// role is what a process is to do with connections.
type role struct {
	Count int
	Ready shm.Ref // a queue for what it has to say
}

// dialler dials, and sends as much as it may, until it is killed.
var dialler = proc.Func("queue_test.dialler", func(ctx context.Context, r role) error {
	seg := proc.Segments(ctx)[0]
	for range r.Count {
		c, err := queue.Dial(ctx, seg, "here")
		if err != nil {
			return err
		}
		if _, err := c.Write(bytes.Repeat([]byte("0123456789"), 1000)); err != nil {
			return err
		}
		defer c.Close()
	}
	<-ctx.Done() // the test kills it
	return nil
})

// server listens, accepts, and echoes; it says when it listens.
var server = proc.Func("queue_test.server", func(ctx context.Context, r role) error {
	seg := proc.Segments(ctx)[0]
	q, err := queue.From[uint64](seg, r.Ready)
	if err != nil {
		return err
	}
	l, err := queue.Listen(seg, "here")
	if err != nil {
		return err
	}
	if err := q.Put(ctx, 1); err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}()
	}
})

var startRole = proctest.Start[role]

// Whatever a killed process had written is read, then its death is told; and what it had is free again.
func TestWhoDialledIsKilled(t *testing.T) {
	seg := roomy(t)
	l := listening(t, seg)
	for range 3 {
		p := startRole(t, dialler, seg, role{Count: 3})
		var conns []net.Conn
		for range 3 {
			c, err := l.Accept()
			require.NoError(t, err)
			n, err := io.ReadFull(c, make([]byte, 5000))
			require.NoError(t, err)
			require.Equal(t, 5000, n)
			conns = append(conns, c)
		}
		// The one writes until there is no room, the others wait to read.
		failed := make(chan error, 3)
		go func() {
			var err error
			for err == nil {
				_, err = conns[0].Write(make([]byte, 1<<16))
			}
			if _, again := conns[0].Write(make([]byte, 1<<16)); !errors.Is(again, syscall.ECONNRESET) {
				err = errors.Join(err, again, io.ErrUnexpectedEOF)
			}
			failed <- err
		}()
		for _, c := range conns[1:] {
			go func() {
				n, err := io.Copy(io.Discard, c)
				if n != 5000 && err != nil {
					err = errors.Join(err, io.ErrUnexpectedEOF)
				}
				failed <- err
			}()
		}
		kill(t, p)
		for range 3 {
			err := <-failed
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
		}
		for _, c := range conns {
			require.NoError(t, c.Close())
		}
		requireBlocks(t, seg, 1)
	}
}

// A listener that is killed refuses who dials, and resets who is connected; another one takes its place.
func TestWhoListensIsKilled(t *testing.T) {
	ctx, seg := bounded(t), roomy(t)
	q, err := queue.New[uint64](seg, 1)
	require.NoError(t, err)
	for range 3 {
		p := startRole(t, server, seg, role{Ready: q.Ref()})
		_, err := q.Get(ctx)
		require.NoError(t, err)
		c, err := queue.Dial(ctx, seg, "here")
		require.NoError(t, err)
		for _, s := range []string{"one", "two"} {
			_, err = c.Write([]byte(s))
			require.NoError(t, err)
			b := make([]byte, 3)
			_, err = io.ReadFull(c, b)
			require.NoError(t, err)
			require.Equal(t, s, string(b))
		}
		// One who dials while the listener is stopped waits for it, and is told of its death.
		require.NoError(t, proctest.Stop(p.Pid()))
		failed := make(chan error, 2)
		go func() {
			_, err := queue.Dial(ctx, seg, "here")
			failed <- err
		}()
		go func() {
			_, err := c.Read(make([]byte, 1))
			failed <- err
		}()
		kill(t, p)
		first, second := <-failed, <-failed
		if !errors.Is(first, syscall.ECONNREFUSED) {
			first, second = second, first
		}
		require.ErrorIs(t, first, syscall.ECONNREFUSED)
		require.ErrorIs(t, second, syscall.ECONNRESET)
		require.NoError(t, c.Close())
		_, err = queue.Dial(ctx, seg, "here")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
	l := listening(t, seg)
	a, b := connected(t, l, seg)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	requireBlocks(t, seg, 2)
}
