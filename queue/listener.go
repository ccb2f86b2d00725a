package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// Listener is where others dial: a name in a segment. It is a net.Listener, for one process at a time. A goroutine of it
// answers those who dial, until Close.
type Listener struct {
	_      noCopy
	seg    *shm.Segment
	calls  *calls
	addr   Addr
	self   uint64
	life   context.Context
	end    context.CancelFunc
	conns  chan *Conn
	ended  chan struct{} // closed when the goroutine has ended
	closed sync.Once
	bells  segment.Bells // of those who select
}

var _ net.Listener = (*Listener)(nil)

// backlog is how many connections wait for Accept at a time; who dials then waits himself.
const backlog = 128

// Listen listens at that name in seg. There is one who listens at a time; when he closed, or died, another one may. The option is
// MaxBytes: how many bytes may be on their way in a connection, each way, from 64 KiB (less counts as that) to the size of the segment (ErrCapacity). Without
// it they are 128 KiB; it counts for who listens first. Long streams are several times as fast with 4 MiB, which is more than the cache that a CPU has for itself, and takes 8 MiB of the segment for each connection.
// Up to 128 connections wait for Accept. It fails with EADDRINUSE, with shm.ErrKind if something else has the name, with ErrOption, ErrCapacity, and shm.ErrNoSpace.
func Listen(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Listener, error) {
	l, err := listen(seg, name, opts)
	if err != nil {
		addr := addrOf(seg, name)
		return nil, &net.OpError{Op: "listen", Net: addr.Network(), Addr: addr, Err: err}
	}
	return l, nil
}

func addrOf(seg *shm.Segment, name string) Addr {
	where := seg.Name()
	if where == "" {
		where = seg.Engine().String()
	}
	return Addr{where, name}
}

func listen(seg *shm.Segment, name string, opts []shm.ObjectOption) (*Listener, error) {
	if err := seg.Engine().Writable(); err != nil {
		return nil, err
	}
	o, err := segment.OrNew(func() (segment.Object, error) { return lookupListener(seg, name) },
		func() (segment.Object, error) { return newListener(seg, name, opts) })
	if err != nil {
		return nil, err
	}
	c, err := callsOf(o)
	if err != nil {
		return nil, err
	}
	self := uint64(c.seg.Self())
	for {
		holder := c.state.holder.Load()
		if !c.nobodys(holder) {
			return nil, fmt.Errorf("%s listens: %w", c.seg.Describe(segment.OwnerOf(holder)), syscall.EADDRINUSE)
		}
		if c.state.holder.CompareAndSwap(holder, self) {
			break
		}
	}
	c.sweep()
	l := &Listener{
		seg: seg, calls: c, addr: addrOf(seg, name), self: self,
		conns: make(chan *Conn, backlog), ended: make(chan struct{}),
	}
	l.life, l.end = context.WithCancel(context.Background())
	go l.serve()
	return l, nil
}

func lookupListener(seg *shm.Segment, name string) (segment.Object, error) {
	return seg.Engine().Lookup(name, segment.KindListener, listenerLayout())
}

func newListener(seg *shm.Segment, name string, opts []shm.ObjectOption) (segment.Object, error) {
	s := seg.Engine()
	spec := segment.Spec{
		Kind: segment.KindListener, Layout: listenerLayout(), Align: segment.Line, Size: listenerSize + maxLinks*linkSize,
		Bound: defaultBuffer,
	}
	for _, opt := range opts {
		opt(&spec)
	}
	switch {
	case spec.Name != "":
		return segment.Object{}, fmt.Errorf("name %q: %w", spec.Name, ErrOption)
	case !spec.Bounded(0):
		return segment.Object{}, errForeign
	}
	if int(spec.Bound) < 1 || spec.Bound > uint64(s.Size()) {
		return segment.Object{}, fmt.Errorf("%d bytes: %w", int(spec.Bound), ErrCapacity)
	}
	spec.Name = name
	spec.Init = func(o segment.Object) {
		st := listenerIn(o)
		st.links, st.buffer = maxLinks, spec.Bound
	}
	return s.New(spec)
}

// callsOf are those of a listener that was found. It sees to it that they fill the object.
func callsOf(o segment.Object) (*calls, error) {
	if err := o.Holds(listenerSize); err != nil {
		return nil, err
	}
	s, off, st := o.Segment(), o.Offset(), listenerIn(o)
	n := st.links
	if room := o.Size() - listenerSize; n < 1 || n > room/linkSize || room-n*linkSize >= segment.Line || off%segment.Line != 0 {
		return nil, fmt.Errorf("a listener of %d links in %d bytes at %#x: %w", n, o.Size(), off, ErrCorrupt)
	}
	return &calls{
		seg: s, state: st, links: linksIn(o, n),
		asks: s.Point(off+callsOffset, segment.Shared), answered: s.Point(off+answersOffset, segment.Shared),
	}, nil
}

// serve answers those who dial.
func (l *Listener) serve() {
	defer l.bells.Ring()
	defer close(l.ended)
	c := l.calls
	closed := make(chan struct{})
	defer c.seg.OnClose(func() { close(closed) })()
	for {
		asked := c.state.asked.Load()
		for i := range c.links {
			if k := &c.links[i]; k.state.Load()&phaseMask == linkAsking {
				if conn := l.answer(k); conn != nil {
					select {
					case l.conns <- conn:
						l.bells.Ring()
					case <-l.life.Done():
						_ = conn.Close()
						return
					case <-closed:
						return
					}
				}
			}
		}
		err := c.asks.Wait(l.life, segment.Wait{
			Try:        func() bool { return c.state.asked.Load() != asked || c.seg.Self() == 0 },
			Asymmetric: futex.Owing,
		})
		if err != nil || c.seg.Self() == 0 {
			return
		}
	}
}

// answer links with one who asks.
func (l *Listener) answer(k *link) *Conn {
	c := l.calls
	state := k.state.Load()
	mine := linkAnswering | l.self
	if state&phaseMask != linkAsking || !k.state.CompareAndSwap(state, mine) {
		return nil
	}
	in, out, err := endsOf(l.seg, k.rings[0].Load(), k.rings[1].Load())
	if err != nil {
		// They are broken: who asks finds the link cleared.
		c.clear(k, mine)
		c.answered.Rouse()
		return nil
	}
	conn := newConn(c, k, 1, l.addr, in, out)
	k.ends[1].Store(l.self)
	if !k.state.CompareAndSwap(mine, linkLinked|conn.which) {
		return nil // Close's zeros
	}
	c.answered.Rouse()
	return conn
}

// endsOf takes the ends of the rings that are to be read, and to be written.
func endsOf(seg *shm.Segment, reads, writes uint64) (*ring.BytesReader, *ring.BytesWriter, error) {
	from, err := ring.BytesFrom(seg, segment.RefAt(seg.Engine(), reads))
	if err != nil {
		return nil, nil, err
	}
	to, err := ring.BytesFrom(seg, segment.RefAt(seg.Engine(), writes))
	if err != nil {
		return nil, nil, err
	}
	in, err := from.Reader(ring.OneOfMany())
	if err != nil {
		return nil, nil, err
	}
	out, err := to.Writer(ring.OneOfMany())
	return in, out, err
}

// Accept returns the next connection. It waits until somebody dials, and fails with net.ErrClosed when the listener, or the
// segment, was closed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.life.Done():
	default:
		select {
		case c := <-l.conns:
			return c, nil
		case <-l.ended:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: l.addr.Network(), Addr: l.addr, Err: net.ErrClosed}
}

// Close ends the listener, and wakes whoever waits in Accept. Connections that were not accepted are closed; others go on. Who dials is
// refused. It fails with net.ErrClosed if that was done before.
func (l *Listener) Close() error {
	err := error(&net.OpError{Op: "close", Net: l.addr.Network(), Addr: l.addr, Err: net.ErrClosed})
	l.closed.Do(func() {
		err = nil
		l.end()
		<-l.ended
		for {
			select {
			case c := <-l.conns:
				_ = c.Close()
				continue
			default:
			}
			break
		}
		if l.calls.seg.Writable() == nil {
			l.calls.state.holder.CompareAndSwap(l.self, 0)
			l.calls.answered.Rouse()
		}
	})
	return err
}

// Addr is where the listener listens: an Addr.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial connects with who listens at that name in seg, when that process has answered, which it does by itself, until 128
// connections wait for Accept: then Dial waits, too. Errors, in a
// *net.OpError: ECONNREFUSED, when nobody listens, or who did closed, or died; ErrFull, when the listener has 2,048 connections, which
// is as many as it can have; shm.ErrKind, shm.ErrNoSpace, shm.ErrClosed, and the context's.
func Dial(ctx context.Context, seg *shm.Segment, name string) (*Conn, error) {
	c, err := dial(ctx, seg, name)
	if err != nil {
		addr := addrOf(seg, name)
		return nil, &net.OpError{Op: "dial", Net: addr.Network(), Addr: addr, Err: err}
	}
	return c, nil
}

func dial(ctx context.Context, seg *shm.Segment, name string) (*Conn, error) {
	o, err := lookupListener(seg, name)
	if errors.Is(err, shm.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", syscall.ECONNREFUSED, err)
	}
	if err != nil {
		return nil, err
	}
	c, err := callsOf(o)
	if err != nil {
		return nil, err
	}
	if err := c.seg.Writable(); err != nil {
		return nil, err
	}
	if c.nobodys(c.state.holder.Load()) {
		return nil, syscall.ECONNREFUSED
	}
	l, err := c.claim()
	if err != nil {
		return nil, err
	}
	mine := linkMaking | uint64(c.seg.Self())
	if err := c.makeRings(seg, l); err != nil {
		c.clear(l, mine)
		return nil, err
	}
	in, out, err := endsOf(seg, l.rings[1].Load(), l.rings[0].Load())
	if err != nil {
		c.clear(l, mine)
		return nil, err
	}
	l.ends[0].Store(uint64(c.seg.Self()))
	conn := newConn(c, l, 0, addrOf(seg, name), in, out)
	if err := c.ask(ctx, conn); err != nil {
		return nil, err
	}
	return conn, nil
}

// tryRings makes those of a link that are not there. Each is named by the link before it is the segment's: so no death leaves it behind.
func (c *calls) tryRings(seg *shm.Segment, l *link) error {
	for i := range l.rings {
		if l.rings[i].Load() != 0 {
			continue
		}
		r, err := ring.NewBytes(seg, int(min(c.state.buffer, uint64(seg.Size()))), func(s *segment.Spec) {
			init := s.Init
			s.Init = func(o segment.Object) {
				init(o)
				l.rings[i].Store(o.Place())
			}
		})
		if err != nil {
			l.rings[i].Store(0)
			return err
		}
		r.Ref()
	}
	return nil
}

// ask asks who listens for the link, and waits until it is there.
func (c *calls) ask(ctx context.Context, conn *Conn) error {
	l, self := conn.link, uint64(c.seg.Self())
	asking, linked := linkAsking|self, linkLinked|conn.which
	l.state.Store(asking)
	c.state.asked.Add(1)
	c.asks.Broadcast()
	asked := func(state uint64) bool { return state == asking || state&phaseMask == linkAnswering }
	// In a line of those who dial, one who is answered would wait for those before him.
	_, err := segment.WaitAny(ctx, []segment.Waits{{Points: []*segment.Point{c.answered}, Ready: func() bool {
		return !asked(l.state.Load()) || c.nobodys(c.state.holder.Load()) || c.seg.Self() == 0
	}}})
	switch state := l.state.Load(); {
	case state == linked:
		return nil
	case err != nil:
		return c.giveUp(conn, asking, err)
	case c.seg.Self() == 0:
		return ErrClosed
	case asked(state):
		return c.giveUp(conn, asking, syscall.ECONNREFUSED)
	}
	return ErrCorrupt // who listened found the rings broken
}

// giveUp takes back what was asked for; if it is being answered, it is a link that is closed at this end.
func (c *calls) giveUp(conn *Conn, asking uint64, err error) error {
	if conn.link.state.Load() == linkLinked|conn.which {
		_ = conn.Close()
		return err
	}
	if conn.link.state.CompareAndSwap(asking, linkMaking|uint64(c.seg.Self())) {
		conn.hangUp()
		c.clear(conn.link, linkMaking|uint64(c.seg.Self()))
		return err
	}
	_ = conn.Close()
	c.tidy(conn.link)
	return err
}
