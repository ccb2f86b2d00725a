package queue

import (
	"cmp"
	"context"
	"errors"
	"io"
	"runtime"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
)

const (
	sending   = "send to"
	receiving = "receive from"
)

// Send sends v. It waits while there is no room. Errors: io.ErrClosedPipe, when nobody has the other end any more; ErrDirection,
// ErrTooLarge, ErrClosed, shm.ErrNoSpace, ErrCorrupt, the context's, and one that names the path to what cannot be encoded. Behind
// an error, v is not sent, and nobody receives it; but ErrClosed does not say whether it is.
func (p *Pipe[S, R]) Send(ctx context.Context, v S) error {
	if p.bareS {
		if done, err := p.sendNow(bytesOf(&v)); done && err == nil {
			runtime.KeepAlive(p)
			return nil
		} else if done {
			return p.wrap(sending, err)
		}
		return p.SendBytes(ctx, bytesOf(&v))
	}
	return p.wrap(sending, p.sendEncoded(ctx, v))
}

// TrySend sends v if there is room, and reports whether it did. It fails with ErrBusy when another process is stopped in the middle
// of a send, and else as Send does.
func (p *Pipe[S, R]) TrySend(v S) (bool, error) {
	err := p.sendEncoded(atOnce, v)
	if errors.Is(err, ErrFull) {
		return false, nil
	}
	return err == nil, p.wrap(sending, err)
}

// SendBytes sends the bytes of a message, whatever S is: for the other end they are those of what was sent, which is a string or a []byte
// as it is, or what the other end reads by RecvBytes: in bytes that were received like that, handles are nothing but names. For its errors see Send.
func (p *Pipe[S, R]) SendBytes(ctx context.Context, b []byte) error {
	done, err := p.sendNow(b)
	if !done {
		err = p.send(ctx, b, nil)
	}
	runtime.KeepAlive(p)
	if err != nil {
		return p.wrap(sending, err)
	}
	return nil
}

// sendNow is send of a short message where nothing stands in the way, and reports whether it was sent. What can be looked at behind the
// message is: the other side waits for it. Up to the limit, not even the slot need be looked at, whose lines are with who read them last.
func (p *pipe) sendNow(b []byte) (done bool, err error) {
	q := p.out.queue
	if !p.out.fast || len(b) > inline || !q.puts.TryLock() {
		return false, nil
	}
	at := q.state.tail.Load()
	if at >= q.state.limit.Load() && !p.out.stretch(at) {
		return false, q.leave(&q.puts)
	}
	if p.closed.Load() {
		return false, q.leave(&q.puts)
	}
	s := q.parcel(at)
	s.write(b)
	q.commit(&s.sequence, at)
	futex.Publish(&q.state.tail, at+1)
	if !futex.Ready() || !q.puts.Swift() {
		return true, p.sent(at, q.puts.Release())
	}
	q.puts.Drop()
	if q.puts.Attached() && q.puts.Unwanted() && q.items.Event().Idle() && p.there.attended() {
		return true, nil
	}
	return true, p.sent(at, q.puts.Dropped())
}

// sent is what is left to do for the message at that position, which was sent, when somebody is to be woken, or the segment was closed, or nobody is
// known to have the other end. If nobody has, it was sent to nobody, unless it was received (see reached).
func (p *pipe) sent(at uint64, released bool) error {
	err := p.out.settlePut(released)
	if err == nil && p.isDeserted() {
		err = p.out.reached(at)
	}
	return err
}

// reached is io.ErrClosedPipe unless somebody received the message at that position. The other side is deserted, so nobody begins to receive
// any more (see take), and who has begun has gets, or has died with it. One who is stopped in the middle may have the message.
func (l *lane) reached(at uint64) error {
	err := l.enter(atOnce, &l.gets)
	if errors.Is(err, ErrBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	if l.state.head.Load() <= at {
		err = io.ErrClosedPipe
	}
	return cmp.Or(l.leave(&l.gets), err)
}

// stretch moves the limit as far as there is room behind at, the tail, and reports whether there is some. It looks at what one who died may have left
// in the slot, who leaves no limit either. What looks wrong is send's to tell.
func (l *lane) stretch(at uint64) bool {
	room, err := l.queue.spare(0)
	if room == 0 || err != nil || l.parcel(at).box != 0 {
		return false
	}
	l.state.limit.Store(at + room)
	return true
}

func (p *Pipe[S, R]) sendEncoded(ctx context.Context, v S) error {
	b, d, some, err := encode(ctx, p.seg, p.sent, &v)
	defer d.end()
	if err != nil {
		return err
	}
	return p.send(ctx, b, some)
}

// send sends a message of these bytes, for which some are kept.
func (p *pipe) send(ctx context.Context, b []byte, some []freight) error {
	if err := p.usable(p.out); err != nil {
		return err
	}
	m := pack{bytes: b}
	err := p.notItself(some)
	if err == nil {
		err = p.out.packed(&m, len(some) > 0)
	}
	if err == nil {
		err = keep(ctx, &m, some)
	}
	done := false
	for !done && err == nil {
		if done, err = p.out.put(ctx, &m, p.isDeserted); done || err != nil {
			break
		}
		if ctx == atOnce {
			if err = p.makeSure(); err == nil {
				if done, err = p.out.put(ctx, &m, p.isDeserted); !done && err == nil {
					err = ErrFull
				}
			}
			break
		}
		if err = p.awaitRoom(ctx, m.size()); err == nil {
			err = p.usable(p.out)
		}
	}
	p.out.unpack(&m, !done)
	if !done {
		rouseEnds(some)
	}
	if errors.Is(err, io.ErrClosedPipe) {
		p.out.purge() // who had the other end may have died
	}
	return err
}

// notItself fails if there is an end of this pipe among what is to be kept: the message would keep the pipe, and the pipe the message.
func (p *pipe) notItself(some []freight) error {
	for _, f := range some {
		if f.end != nil && f.end.object.Place() == p.object.Place() {
			return codec.AtPath(f.path, f.Handle, errItself)
		}
	}
	return nil
}

var errItself = errors.New("an end of the pipe that it is sent through")

// makeSure looks whether those are dead who may have left something half done, or have the other end.
func (p *pipe) makeSure() error {
	p.out.rescue(true)
	if p.there.deserted(p.seg.Gone) {
		return io.ErrClosedPipe
	}
	return nil
}
