package queue

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/ring"
)

// Conn is a connection between two processes: a stream of bytes each way, through memory that they share. It is a net.Conn.
//
// What was written is there for the other side, also when who wrote it is killed. Who reads gets what there is, and then io.EOF if
// the other side closed, or ECONNRESET if its process died. A Conn is to be closed: one that is forgotten keeps its place among the
// connections of its Listener until the process ends.
type Conn struct {
	calls *calls
	link  *link
	end   int
	which uint64 // serial of the link
	addr  Addr

	reads, writes deadline
	reading       sync.Mutex // held by who reads
	in            *ring.BytesReader
	broken        error // what all reads fail with from now on
	writing       sync.Mutex
	out           *ring.BytesWriter
	reset         atomic.Bool // the other side died: what all writes fail with from now on
	once          sync.Once
	closed        atomic.Bool
}

var _ net.Conn = (*Conn)(nil)

func newConn(c *calls, l *link, end int, addr Addr, in *ring.BytesReader, out *ring.BytesWriter) *Conn {
	conn := &Conn{calls: c, link: l, end: end, which: l.serial.Load(), addr: addr, in: in, out: out}
	conn.reads.glance = conn.readable
	conn.reads.begin()
	conn.writes.begin()
	return conn
}

// Read reads up to len(p) bytes, and waits until there is one. Errors, in a *net.OpError but for the first: io.EOF, when the other
// side closed, or closed its writing side, and all is read, and behind CloseRead; ECONNRESET, when the other side died;
// os.ErrDeadlineExceeded; net.ErrClosed; ErrCorrupt.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	ctx := c.reads.context()
	if ctx.Err() != nil {
		return 0, c.fail("read", ctx, ctx.Err())
	}
	if c.broken != nil {
		return 0, c.fail("read", ctx, c.broken)
	}
	n, err := c.in.Stream(ctx).Read(p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, ring.ErrPeerDied) {
		c.broken, err = syscall.ECONNRESET, syscall.ECONNRESET
		c.reset.Store(true)
	}
	return n, c.fail("read", ctx, err)
}

// readable reports whether a Read that waits may go on, or is to look whether the other side is dead. Who calls it has the reader, as
// that Read has.
func (c *Conn) readable() bool {
	record, err := c.in.TryPeek()
	if record != nil || err != nil {
		return true
	}
	other := segment.OwnerOf(c.link.ends[1-c.end].Load())
	return other != 0 && c.calls.seg.Left(other)
}

// Write writes all of p, and waits while there is no room. Errors, in a *net.OpError: EPIPE, when the other side closed, or closed its
// reading side, and behind CloseWrite; ECONNRESET, when the other side died and there is no room, or a Read has said so, and from then on; os.ErrDeadlineExceeded;
// net.ErrClosed; ErrCorrupt. The first n bytes are written then.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	ctx := c.writes.context()
	if ctx.Err() != nil {
		return 0, c.fail("write", ctx, ctx.Err())
	}
	if c.reset.Load() {
		return 0, c.fail("write", ctx, syscall.ECONNRESET)
	}
	n, err := c.out.Stream(ctx).Write(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, ring.ErrPeerDied):
		c.reset.Store(true)
		err = syscall.ECONNRESET
	case errors.Is(err, ring.ErrClosed):
		err = syscall.EPIPE
	}
	return n, c.fail("write", ctx, err)
}

// fail is the error that a caller gets.
func (c *Conn) fail(op string, ctx *span, err error) error {
	if errors.Is(err, context.Canceled) {
		err = ctx.because()
	}
	gone := c.closed.Load() || c.calls.seg.IsClosed()
	if err == io.EOF && !gone {
		return err
	}
	if gone || errors.Is(err, ring.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: c.addr.Network(), Source: c.addr, Addr: c.addr, Err: err}
}

// Close closes both ways, and wakes whoever waits in a call of it, with net.ErrClosed. The other side reads what was written, and then io.EOF. It
// fails with net.ErrClosed if that was done before.
func (c *Conn) Close() error {
	first := false
	c.once.Do(func() {
		first = true
		c.closed.Store(true)
		c.shutReading(net.ErrClosed)
		c.shutWriting(net.ErrClosed)
		c.calls.leave(c.link, c.end, c.which)
	})
	if !first {
		return c.fail("close", nil, net.ErrClosed)
	}
	return nil
}

// CloseRead ends the reading side: who waits there, and whoever reads from now on, gets io.EOF, and the other side's writes
// fail with EPIPE.
func (c *Conn) CloseRead() error {
	if !c.shutReading(io.EOF) {
		return c.fail("close", nil, net.ErrClosed)
	}
	return nil
}

// CloseWrite ends the writing side: the other side reads what was written, and then io.EOF. Whoever waits to write, or writes from
// now on, gets EPIPE.
func (c *Conn) CloseWrite() error {
	if !c.shutWriting(syscall.EPIPE) {
		return c.fail("close", nil, net.ErrClosed)
	}
	return nil
}

func (c *Conn) shutReading(cause error) bool {
	if !c.reads.end(cause) {
		return false
	}
	c.reading.Lock() // behind whoever was woken
	defer c.reading.Unlock()
	_ = c.in.Close() // unless the segment was closed
	return true
}

func (c *Conn) shutWriting(cause error) bool {
	if !c.writes.end(cause) {
		return false
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.out.Close()
	return true
}

// LocalAddr is where the listener listens, as RemoteAddr is: who dials has no address.
func (c *Conn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr is that of the listener.
func (c *Conn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline sets until when reads and writes may wait, those under way, too; the zero time is no deadline. It fails with net.ErrClosed.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline is SetDeadline of reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.reads, t) }

// SetWriteDeadline is SetDeadline of writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.writes, t) }

func (c *Conn) setDeadline(d *deadline, t time.Time) error {
	if c.closed.Load() || c.calls.seg.IsClosed() {
		return c.fail("set", nil, net.ErrClosed)
	}
	d.set(t)
	return nil
}

// hangUp ends a connection that nobody else knows.
func (c *Conn) hangUp() {
	c.once.Do(func() {
		c.shutReading(net.ErrClosed)
		c.shutWriting(net.ErrClosed)
	})
}
