package queue

import (
	"fmt"
	"io"
	"slices"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// A Pipe in a message, or in arguments, is the name of its end: which pipe, and which side. Who receives it makes a handle from that, with a hold of
// his own. Meanwhile the end has one, too, which is not this process's: in a message of a queue or a pipe, the box is the hold, in which such a
// message lies, however short it is. So it counts for nothing as soon as the box is freed, by whomever, and for whatever reason: see package
// internal/keeper, where descriptors are kept in the same way. For arguments, who starts the child has a hold until it has its handle.

// endName is what travels of an end.
type endName struct {
	pipe shm.Ref
	side uint32
}

// Ref names the pipe, and neither of its ends. It fails with shm.ErrStale where it is used when nobody has the pipe any more.
func (p *pipe) Ref() shm.Ref { return p.object.Ref() }

// MarshalBinary is for the codec: it returns the name of the end. A Pipe travels as that: in messages of queues and pipes, in arguments of
// processes, in what maps and lists hold. The receiver has a handle of his own.
func (p *Pipe[S, R]) MarshalBinary() ([]byte, error) {
	if p.pipe == nil {
		return segment.Carry(shm.Ref{})
	}
	if p.closed.Load() {
		return nil, ErrClosed
	}
	b, err := segment.Carry(p.Ref())
	return append(b, byte(p.number)), err
}

// UnmarshalBinary reads what MarshalBinary wrote; the handle can be used for nothing but Resolve.
func (p *Pipe[S, R]) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[len(b)-1] > 1 {
		return fmt.Errorf("a pipe of %d bytes: %w", len(b), ErrCorrupt)
	}
	last := len(b) - 1
	p.name = endName{side: uint32(b[last])}
	return p.name.pipe.UnmarshalBinary(b[:last])
}

// Resolve is for the codec: it returns a handle of the same end, of this process. It fails with shm.ErrNotExist if this is not attached to the
// segment, with shm.ErrStale and io.ErrClosedPipe if nobody has the pipe, or the end, any more, with ErrShares, and with shm.ErrLayout.
func (p *Pipe[S, R]) Resolve(home any) (*Pipe[S, R], error) {
	seg, err := shm.Reach(home, p.name.pipe)
	if err != nil {
		return nil, err
	}
	f, err := findEnd[S, R](seg, p.name.pipe, p.name.side)
	if err != nil {
		return nil, err
	}
	hold, err := newHold(f.object)
	if err != nil {
		return nil, err
	}
	q, err := f.open()
	if err == nil {
		err = q.enter(hold)
	}
	if err != nil {
		_ = hold.Free()
		return nil, err
	}
	return q, nil
}

// enter has the handle be one of those of its end, which somebody has.
func (p *pipe) enter(hold segment.Block) error {
	share, err := p.here.add(hold.Place())
	if err != nil {
		return err
	}
	if !p.here.shared(share) {
		p.here.shares[share].CompareAndSwap(hold.Place(), 0)
		p.rouse()
		return fmt.Errorf("end %d: %w", p.number, io.ErrClosedPipe)
	}
	p.holdBy(hold, share)
	p.rouse() // who waits listens for the death of those that it knows
	return nil
}

// Drop is for the codec: it closes a handle that arrived in a message that nobody receives. Nobody has called anything else of it, so its hold
// goes at once.
func (p *Pipe[S, R]) Drop() {
	if p.pipe == nil || p.Close() != nil {
		return
	}
	p.cleanup.Stop()
	if hold, err := p.seg.BlockAt(p.held); err == nil {
		_ = hold.Free()
	}
	retired.Add(-1)
}

// Hold is for the packages of this module: it has the end held by this process until release is called, however many handles are closed.
func (p *Pipe[S, R]) Hold() (release func(), err error) {
	if p.pipe == nil {
		return func() {}, nil
	}
	b, share, err := p.here.take(p.object, 0)
	if err != nil {
		return func() {}, err
	}
	release = func() {
		p.here.shares[share].CompareAndSwap(b.Place(), 0)
		p.rouse()
		_ = b.Free()
	}
	if p.closed.Load() {
		release()
		return func() {}, ErrClosed
	}
	return release, nil
}

// ended is a handle of an end in a message.
type ended interface{ handle() *pipe }

func (p *pipe) handle() *pipe { return p }

// endIn is the end that h is a handle of, if it is one, and travels in a message that goes through seg.
func endIn(seg *segment.Segment, h codec.Handle) (*pipe, error) {
	e, ok := h.(ended)
	if !ok || e.handle() == nil {
		return nil, nil
	}
	p := e.handle()
	if p.seg.ID() != seg.ID() {
		return nil, fmt.Errorf("in a message of segment %s, and it is in segment %s, where its end is held while it travels: %w", seg, p.seg, ErrElsewhere)
	}
	return p, nil
}

// holdAll has a box, which is this process's, be a hold of ends of pipes.
func holdAll(box segment.Block, ends []*pipe) error {
	if len(ends) == 0 {
		return nil
	}
	var pipes []uint64
	for _, p := range ends {
		if place := p.object.Place(); !slices.Contains(pipes, place) {
			pipes = append(pipes, place)
		}
	}
	if len(pipes) > segment.MostKept {
		return fmt.Errorf("ends of %d pipes, and a message has %d at most: %w", len(pipes), segment.MostKept, ErrTooLarge)
	}
	err := box.Keep(pipes)
	for _, p := range ends {
		if err == nil {
			_, err = p.here.add(box.Place() | moving)
		}
		if err == nil && p.closed.Load() { // while the handle has its own share, the end is not deserted meanwhile; else it is too late
			err = ErrClosed
		}
	}
	return err
}
