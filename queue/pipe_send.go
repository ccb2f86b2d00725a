package queue

import (
	"context"
	"errors"
	"io"
	"runtime"
)

const (
	sending   = "send to"
	receiving = "receive from"
)

// Send sends v. It waits while there is no room. Errors: io.ErrClosedPipe, when nobody has the other end any more; ErrDirection,
// ErrTooLarge, ErrClosed, shm.ErrNoSpace, ErrCorrupt, the context's, and one that names the path to what cannot be encoded. Behind
// an error, v is not sent; but ErrClosed does not say whether it is.
func (p *Pipe[S, R]) Send(ctx context.Context, v S) error {
	var err error
	if p.bareS {
		err = p.send(ctx, bytesOf(&v), nil)
	} else {
		err = p.sendEncoded(ctx, v)
	}
	runtime.KeepAlive(p)
	return p.wrap(sending, err)
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
// as it is, or what the other end reads by RecvBytes. For its errors see Send.
func (p *Pipe[S, R]) SendBytes(ctx context.Context, b []byte) error {
	return p.wrap(sending, p.send(ctx, b, nil))
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
	err := p.out.packed(&m, len(some) > 0)
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
	return err
}

// makeSure looks whether those are dead who may have left something half done, or have the other end.
func (p *pipe) makeSure() error {
	p.out.rescue(true)
	if p.there.deserted(p.seg.Gone) {
		return io.ErrClosedPipe
	}
	return nil
}
