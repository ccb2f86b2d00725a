package queue

import (
	"context"
	"errors"
	"io"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/bulk"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Recv receives the next message. It waits while there is none. Errors: io.EOF, as it is, when nobody has the other end any
// more, and all is received; ErrDirection, ErrClosed, ErrCorrupt, and the context's. A message that does not decode is taken, too.
func (p *Pipe[S, R]) Recv(ctx context.Context) (v R, err error) {
	if p.bareR {
		if s, _ := p.arrived(sizeOf[R](), sizeOf[R]()); s != nil {
			v = *text[R](s)
			if err = p.taken(); err != nil {
				return *new(R), p.wrap(receiving, err)
			}
			runtime.KeepAlive(p)
			return v, nil
		}
	} else {
		p.glimpse()
	}
	return p.recvOne(ctx)
}

// recvOne is Recv of one who has to wait, or has more to do than to copy.
//
//go:noinline
func (p *Pipe[S, R]) recvOne(ctx context.Context) (v R, err error) {
	var c [1]catch
	if err = p.recv(ctx, &c); err == nil {
		err = p.open(&c[0], &v)
	}
	runtime.KeepAlive(p)
	return v, p.wrap(receiving, err)
}

// TryRecv receives the next message if there is one, and reports whether it did. It fails with ErrBusy when another process is
// stopped in the middle of a receive, and else as Recv does.
func (p *Pipe[S, R]) TryRecv() (v R, ok bool, err error) {
	var c [1]catch
	if err = p.recv(atOnce, &c); err == nil {
		err = p.open(&c[0], &v)
	}
	if errors.Is(err, errEmpty) {
		return v, false, nil
	}
	return v, err == nil, p.wrap(receiving, err)
}

// errEmpty is why a call that does not wait has received nothing.
var errEmpty = errors.New("no message")

// RecvBytes receives the bytes of the next message, whatever R is; ends of pipes and files that it has are given up. For its errors see Recv.
func (p *Pipe[S, R]) RecvBytes(ctx context.Context) ([]byte, error) {
	p.glimpse()
	var c [1]catch
	err := p.recv(ctx, &c)
	if err != nil {
		return nil, p.wrap(receiving, err)
	}
	b, err := p.in.copied(&c[0])
	return b, p.wrap(receiving, err)
}

// RecvInto receives the bytes of the next message into b, and returns how many they are. If b is too short it fails with a
// *ShortBufferError, which has the whole message, and leaves b alone. For other errors see Recv.
func (p *Pipe[S, R]) RecvInto(ctx context.Context, b []byte) (int, error) {
	if s, n := p.arrived(0, uint64(len(b))); s != nil {
		copy(b, s.text[:n])
		if err := p.taken(); err != nil {
			return 0, p.wrap(receiving, err)
		}
		runtime.KeepAlive(p)
		return int(n), nil
	}
	return p.recvLate(ctx, b)
}

// recvLate is RecvInto of one who has to wait, or whose message is long.
//
//go:noinline
func (p *Pipe[S, R]) recvLate(ctx context.Context, b []byte) (int, error) {
	var c [1]catch
	if err := p.recv(ctx, &c); err != nil {
		return 0, p.wrap(receiving, err)
	}
	if c[0].size <= uint64(len(b)) && c[0].err == nil {
		n := bulk.Copy(b, c[0].bytes())
		return n, p.wrap(receiving, p.in.drop(&c[0]))
	}
	m, err := p.in.copied(&c[0])
	if err == nil {
		err = &ShortBufferError{Message: m, Room: len(b)}
	}
	return 0, p.wrap(receiving, err)
}

// Poll waits until Recv would not: until there is a message, or io.EOF to be had, for which it returns nil; and it takes nothing. (If others
// receive at the same end, they may have taken the message by then.) Errors: ErrDirection, ErrClosed, ErrCorrupt, and the context's.
func (p *pipe) Poll(ctx context.Context) error {
	for {
		ready, err := p.ready()
		if ready || err != nil {
			return p.wrap("poll", err)
		}
		if err := p.awaitItems(ctx); err != nil {
			return p.wrap("poll", err)
		}
	}
}

// Ready reports whether Recv would not wait. For its errors see Poll.
func (p *pipe) Ready() (bool, error) {
	ready, err := p.ready()
	if !ready && err == nil {
		ready = p.there.deserted(p.seg.Gone)
	}
	return ready, p.wrap("poll", err)
}

func (p *pipe) ready() (bool, error) {
	if err := p.usable(p.in); err != nil {
		return false, err
	}
	return p.in.seen() || p.isDeserted(), nil
}

// recv takes the next message.
func (p *pipe) recv(ctx context.Context, c *[1]catch) error {
	for {
		if err := p.usable(p.in); err != nil {
			return err
		}
		if done, err := p.in.take(ctx, c, &p.closed); done || err != nil {
			return err
		}
		gone := p.seg.Swept
		if ctx == atOnce {
			gone = p.seg.Gone
		}
		if p.there.deserted(gone) {
			// What the last of them sent is there.
			done, err := p.in.take(ctx, c, &p.closed)
			if !done && err == nil {
				err = p.ended()
			}
			return err
		}
		if ctx == atOnce {
			return errEmpty
		}
		if err := p.awaitItems(ctx); err != nil {
			return err
		}
	}
}

// arrived is the slot of the next message and how many bytes that has, where nothing stands in the way of copying them, and they are at least and
// at most so many. The caller has gets then, until taken.
func (p *pipe) arrived(least, most uint64) (*parcel, uint64) {
	q := p.in.queue
	if q == nil || !p.in.fast {
		return nil, 0
	}
	if !p.glimpse() && !q.seen() {
		return nil, 0
	}
	if !q.gets.TryLock() {
		return nil, 0
	}
	at := q.state.head.Load()
	s := q.parcel(at)
	if s.sequence.Load() == at+1 { // before the slot says what it has
		if n := s.size; s.box == 0 && n >= least && n <= most && n <= inline && !p.closed.Load() {
			if race.Enabled {
				q.race.Acquire(raceItems)
			}
			return s, n
		}
	}
	_ = q.leave(&q.gets) // recv is told if the segment was closed
	return nil, 0
}

// taken commits that the message that had arrived is received.
func (p *pipe) taken() error {
	q := p.in.queue
	next := q.state.head.Load() + 1
	futex.Publish(&q.state.head, next)
	if !futex.Ready() || !q.gets.Swift() {
		return q.settleGet(q.gets.Release(), next)
	}
	q.gets.Drop()
	if q.gets.Attached() && q.gets.Unwanted() && q.room.Event().Idle() {
		return nil
	}
	return q.settleGet(q.gets.Dropped(), next)
}

// A glimpse is what a receiver does before it looks at anything but the next slot: it polls for about as long as the answer of a process
// that is polling, too, takes to come. The first polls are without a pause, which would delay the quickest answers.
const (
	glimpses      = 1024
	glimpsesTight = 64
)

// glimpse polls the next slot, all of it: so its two lines come at once, and not one behind the other when the message is there. It
// reports whether it is.
func (p *pipe) glimpse() bool {
	l := &p.in
	if l.queue == nil || !p.polls.Load() {
		return false
	}
	at := l.state.head.Load()
	s := l.parcel(at)
	tail := s.tail()
	for i := range glimpses {
		if s.sequence.Load() == at+1 {
			return true
		}
		tail.Load()
		if i >= glimpsesTight {
			futex.Pause()
		}
	}
	return false
}

// ended is io.EOF, unless what looks like the end are Close's zeros.
func (p *pipe) ended() error {
	if err := p.usable(p.in); err != nil {
		return err
	}
	return io.EOF
}

// open decodes a message, and gives its box back.
func (p *Pipe[S, R]) open(c *catch, v *R) error {
	if c.err != nil {
		return c.err
	}
	if b := c.bytes(); p.bareR && len(b) == len(bytesOf(v)) {
		copy(bytesOf(v), b)
		return p.in.drop(c)
	}
	err := p.received.DecodeIn(p.seg, c.bytes(), v)
	if e := p.in.drop(c); e != nil && err == nil {
		err = e
	}
	if err != nil && p.seg.Self() != 0 {
		err = segment.Misread(err)
	}
	return err
}

// copied is the message, whose box is given back.
func (l lane) copied(c *catch) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	b := append([]byte{}, c.bytes()...)
	return b, l.drop(c)
}

// drop gives back the box of a message that was taken.
func (l lane) drop(c *catch) error {
	if c.err != nil || !c.boxed {
		return c.err
	}
	return l.keep(c.box)
}
