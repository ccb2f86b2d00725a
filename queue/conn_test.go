package queue_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// roomy is a segment with room for connections.
func roomy(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := shm.Anonymous(16 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	return seg
}

// listening is a listener of that name, for small connections.
func listening(t testing.TB, seg *shm.Segment) *queue.Listener {
	t.Helper()
	l, err := queue.Listen(seg, "here")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// connected are both sides of a connection.
func connected(t testing.TB, l *queue.Listener, from *shm.Segment) (dialled, accepted *queue.Conn) {
	t.Helper()
	dialled, err := queue.Dial(bounded(t), from, "here")
	require.NoError(t, err)
	c, err := l.Accept()
	require.NoError(t, err)
	return dialled, c.(*queue.Conn)
}

func TestAConnIsANetConn(t *testing.T) {
	seg := roomy(t)
	far := again(t, seg)
	l := listening(t, seg)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, c2 = connected(t, l, far)
		return c1, c2, func() {
			_ = c1.Close()
			_ = c2.Close()
		}, nil
	})
	requireBlocks(t, seg, 1) // nothing is left of the connections
}

func TestAConnEnds(t *testing.T) {
	seg := roomy(t)
	l := listening(t, seg)
	a, b := connected(t, l, again(t, seg))
	require.Equal(t, "kindred", a.RemoteAddr().Network())
	require.Equal(t, l.Addr(), b.LocalAddr())
	_, err := a.Write([]byte("question"))
	require.NoError(t, err)
	require.NoError(t, a.CloseWrite())
	require.ErrorIs(t, a.CloseWrite(), net.ErrClosed)
	_, err = a.Write([]byte("more"))
	require.ErrorIs(t, err, syscall.EPIPE)
	all, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "question", string(all))
	_, err = b.Write([]byte("answer"))
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Close(), net.ErrClosed)
	_, err = b.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	all, err = io.ReadAll(a)
	require.NoError(t, err)
	require.Equal(t, "answer", string(all))
	require.NoError(t, a.Close())
	requireBlocks(t, seg, 1)
}

func TestCloseReadEndsTheOthersWrites(t *testing.T) {
	seg := roomy(t)
	a, b := connected(t, listening(t, seg), seg)
	read := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	require.NoError(t, a.CloseRead())
	require.Equal(t, io.EOF, <-read)
	require.ErrorIs(t, a.CloseRead(), net.ErrClosed)
	_, err := b.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
	_, err = a.Write([]byte("the other way goes on"))
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// What was closed is closed, also if its ways were before, one by one.
func TestAConnThatIsClosedSaysSo(t *testing.T) {
	seg := roomy(t)
	a, b := connected(t, listening(t, seg), seg)
	require.NoError(t, a.CloseRead())
	require.NoError(t, a.CloseWrite())
	require.NoError(t, a.SetDeadline(time.Now().Add(time.Hour)))
	require.NoError(t, a.Close())
	_, err := a.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = a.Write(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, a.SetDeadline(time.Time{}), net.ErrClosed)
	require.NoError(t, b.Close())
}

func TestDeadlinesOfAConn(t *testing.T) {
	seg := roomy(t)
	a, b := connected(t, listening(t, seg), seg)
	begin := time.Now()
	require.NoError(t, a.SetReadDeadline(begin.Add(20*time.Millisecond)))
	_, err := a.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	_, err = b.Write([]byte("x"))
	require.NoError(t, err)
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded) // though there is something
	require.NoError(t, a.SetDeadline(time.Time{}))
	_, err = a.Read(make([]byte, 1))
	require.NoError(t, err)
	// A deadline that is put off while a call waits holds for the call.
	require.NoError(t, a.SetDeadline(time.Now().Add(time.Hour)))
	read := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	require.NoError(t, a.SetDeadline(time.Now()))
	require.ErrorIs(t, <-read, os.ErrDeadlineExceeded)
}

func TestOneListensAtATime(t *testing.T) {
	seg := roomy(t)
	far := again(t, seg)
	_, err := queue.Dial(bounded(t), seg, "here")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	l := listening(t, seg)
	_, err = queue.Listen(seg, "here")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = queue.Listen(far, "here")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	a, err := queue.Dial(bounded(t), far, "here")
	require.NoError(t, err)
	require.NoError(t, l.Close()) // it was not accepted
	require.ErrorIs(t, l.Close(), net.ErrClosed)
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = a.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.NoError(t, a.Close())
	_, err = queue.Dial(bounded(t), seg, "here")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	l, err = queue.Listen(far, "here")
	require.NoError(t, err)
	a, b := connected(t, l, seg)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	require.NoError(t, l.Close())
	requireBlocks(t, seg, 1)
}

func TestAcceptEndsWithTheListener(t *testing.T) {
	for name, end := range map[string]func(*shm.Segment, *queue.Listener) error{
		"Close":               func(_ *shm.Segment, l *queue.Listener) error { return l.Close() },
		"the segment's Close": func(seg *shm.Segment, _ *queue.Listener) error { return seg.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			seg := roomy(t)
			l := listening(t, seg)
			accepted := make(chan error)
			go func() {
				_, err := l.Accept()
				accepted <- err
			}()
			require.NoError(t, end(seg, l))
			require.ErrorIs(t, <-accepted, net.ErrClosed)
			_, err := queue.Dial(bounded(t), seg, "here")
			require.Error(t, err)
		})
	}
}

func TestWhatAListenerCannotBe(t *testing.T) {
	seg := roomy(t)
	_, err := queue.New[int64](seg, 1, shm.Named("queue"))
	require.NoError(t, err)
	_, err = queue.Listen(seg, "queue")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = queue.Dial(bounded(t), seg, "queue")
	require.ErrorIs(t, err, shm.ErrKind)
	for _, opt := range []shm.ObjectOption{queue.DropOldest(), queue.Through[int64]("own", nil64{}), shm.Named("y")} {
		_, err = queue.Listen(seg, "x", opt)
		require.ErrorIs(t, err, queue.ErrOption)
	}
	_, err = queue.Listen(seg, "x", queue.MaxBytes(-1))
	require.ErrorIs(t, err, queue.ErrCapacity)
	_, err = queue.Listen(seg, "")
	require.Error(t, err)
	_, err = queue.Dial(over(), seg, "nowhere")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestThereIsNoRoomForMoreConns(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	l := listening(t, seg)
	var conns []*queue.Conn
	for {
		c, err := queue.Dial(bounded(t), seg, "here")
		if err != nil {
			require.ErrorIs(t, err, shm.ErrNoSpace)
			break
		}
		conns = append(conns, c)
	}
	require.NotEmpty(t, conns)
	for range conns {
		c, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	a, b := connected(t, l, seg)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	requireBlocks(t, seg, 1)
}

// Many dial, talk and hang up at the same time.
func TestManyDial(t *testing.T) {
	seg := roomy(t)
	l := listening(t, seg)
	far := again(t, seg)
	var served, dialling sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			served.Go(func() {
				_, err := io.Copy(c, c)
				if e := c.Close(); err != nil || e != nil {
					t.Error(err, e)
				}
			})
		}
	})
	for range 8 {
		dialling.Go(func() {
			for range 25 {
				c, err := queue.Dial(context.Background(), far, "here")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Write([]byte("hello")); err != nil {
					t.Error(err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
				if all, err := io.ReadAll(c); err != nil || string(all) != "hello" {
					t.Errorf("%q, %v", all, err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	dialling.Wait()
	require.NoError(t, l.Close())
	served.Wait()
	requireBlocks(t, seg, 1)
}

// One whose call is answered does not wait for others of its process, who dialled before.
func TestWhoIsAnsweredNeedNotWaitForOthersWhoDial(t *testing.T) {
	seg := roomy(t)
	asks, answer, err := queue.Mute(seg, "here")
	require.NoError(t, err)
	far := again(t, seg)
	dial := func(link int) (got chan net.Conn) {
		got = make(chan net.Conn, 1)
		go func() {
			c, err := queue.Dial(bounded(t), far, "here")
			if err != nil {
				t.Error(err)
			}
			got <- c
		}()
		require.Eventually(t, func() bool { return asks(link) }, time.Minute, time.Millisecond)
		return got
	}
	first, second := dial(0), dial(1)
	for _, d := range []struct {
		link int
		got  chan net.Conn
	}{{1, second}, {0, first}} {
		there := answer(d.link)
		require.NotNil(t, there)
		here := <-d.got
		require.NoError(t, here.Close())
		require.NoError(t, there.Close())
	}
}
