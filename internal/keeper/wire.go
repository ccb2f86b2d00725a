package keeper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// A connection carries requests, and a reply to each, of one size; descriptors come beside the first byte of the one that they
// belong to.
//
//	0    what is asked for, or how it went
//	1    bytes of text
//	2    descriptors
//	8    token
//	24   segment
//	32   place
//	40   text of an error
const (
	frameSize = 128
	frameText = 40
)

type operation uint8

const (
	opKeep    operation = iota + 1 // (file, segment's file): until the block is free
	opHold                         // (file): until opRelease, or the end of the connection
	opRelease                      // what opHold has begun
	opTake                         // replies with a duplicate
	opSegment                      // replies with the file of that segment, which is kept, or which the keeper is attached to
	opKnow                         // whether the keeper is attached to that segment
	opServe                        // (connection): of one more process
)

type status uint8

const (
	statusDone status = iota + 1
	statusGone
	statusFailed
)

var errProtocol = errors.New("protocol error")

// request is what one asks for. Its descriptors are its own, but for those that were taken.
type request struct {
	op             operation
	token          Token
	segment, place uint64
	fds            []int
}

// add makes one more descriptor.
func (r *request) add(make func() (int, error)) error {
	fd, err := make()
	if err != nil {
		return err
	}
	r.fds = append(r.fds, fd)
	return nil
}

// take is descriptor i, which is the caller's from now on.
func (r *request) take(i int) (int, error) {
	if i >= len(r.fds) || r.fds[i] < 0 {
		return -1, fmt.Errorf("request %d without a descriptor: %w", r.op, errProtocol)
	}
	fd := r.fds[i]
	r.fds[i] = -1
	return fd, nil
}

func (r *request) close() {
	for _, fd := range r.fds {
		if fd >= 0 {
			closeFd(fd)
		}
	}
	r.fds = nil
}

func (r *request) encode() []byte {
	b := make([]byte, frameSize)
	b[0], b[2] = byte(r.op), byte(len(r.fds))
	copy(b[8:24], r.token[:])
	binary.LittleEndian.PutUint64(b[24:], r.segment)
	binary.LittleEndian.PutUint64(b[32:], r.place)
	return b
}

// decodeRequest is the request of a frame; it owns the descriptors.
func decodeRequest(b []byte, fds []int) (r request, err error) {
	r.op, r.fds = operation(b[0]), fds
	copy(r.token[:], b[8:24])
	r.segment = binary.LittleEndian.Uint64(b[24:])
	r.place = binary.LittleEndian.Uint64(b[32:])
	if int(b[2]) != len(fds) {
		r.close()
		return r, fmt.Errorf("%d descriptors of %d: %w", len(fds), b[2], errProtocol)
	}
	return r, nil
}

// reply is what came of a request. Whoever has it has its descriptor, if that is not less than 0.
type reply struct {
	status status
	text   string
	fd     int
}

func replyOf(err error) reply {
	switch {
	case err == nil:
		return reply{status: statusDone, fd: -1}
	case errors.Is(err, ErrGone):
		return reply{status: statusGone, fd: -1}
	}
	return reply{status: statusFailed, text: err.Error(), fd: -1}
}

func fdOf(fd int, err error) reply {
	a := replyOf(err)
	if err == nil {
		a.fd = fd
	}
	return a
}

// checked is the reply, or the error that it is.
func (a reply) checked() (reply, error) {
	switch a.status {
	case statusDone:
		return a, nil
	case statusGone:
		return a, ErrGone
	}
	return a, errors.New(a.text)
}

func (a reply) encode() []byte {
	b := make([]byte, frameSize)
	n := copy(b[frameText:], a.text)
	b[0], b[1] = byte(a.status), byte(n)
	if a.fd >= 0 {
		b[2] = 1
	}
	return b
}

func decodeReply(b []byte, fds []int) (reply, error) {
	a := reply{status: status(b[0]), text: string(b[frameText:min(frameText+int(b[1]), frameSize)]), fd: -1}
	if int(b[2]) != len(fds) || len(fds) > 1 || a.status < statusDone || a.status > statusFailed {
		for _, fd := range fds {
			closeFd(fd)
		}
		return reply{fd: -1}, fmt.Errorf("a reply of %d descriptors: %w", len(fds), errProtocol)
	}
	if len(fds) == 1 {
		a.fd = fds[0]
	}
	return a, nil
}

// client is a process's connection to the keeper, which is made by the first who needs it. One asks at a time.
type client struct {
	turn  chan struct{}
	dial  func() (int, error)
	conn  *conn // of whoever has the turn
	mu    sync.Mutex
	known map[uint64]bool // segments that the keeper is attached to
}

func newClient(dial func() (int, error)) *client {
	return &client{turn: make(chan struct{}, 1), dial: dial, known: make(map[uint64]bool)}
}

// ask waits for the reply until the context ends; then the request goes on without it, and what comes of it is closed.
func (c *client) ask(ctx context.Context, r request) (reply, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		r.close()
		return reply{fd: -1}, context.Cause(ctx)
	}
	type outcome struct {
		reply
		err error
	}
	over := make(chan outcome, 1)
	go func() {
		a, err := c.exchange(r)
		over <- outcome{a, err}
		<-c.turn
	}()
	select {
	case o := <-over:
		return o.reply, o.err
	case <-ctx.Done():
		go func() {
			if o := <-over; o.fd >= 0 {
				closeFd(o.fd)
			}
		}()
		return reply{fd: -1}, context.Cause(ctx)
	}
}

// exchange has the turn.
func (c *client) exchange(r request) (a reply, err error) {
	defer r.close()
	a.fd = -1
	if c.conn == nil {
		fd, err := c.dial()
		if err != nil {
			return a, fmt.Errorf("connection: %w", err)
		}
		if c.conn, err = newConn(fd); err != nil {
			return a, err
		}
	}
	b, fds, err := []byte(nil), []int(nil), c.conn.write(r.encode(), r.fds)
	if err == nil {
		b, fds, err = c.conn.read()
	}
	if err == nil {
		a, err = decodeReply(b, fds)
	}
	if err != nil {
		c.conn.close()
		c.conn = nil
		return a, fmt.Errorf("connection: %w", err)
	}
	return a.checked()
}

// knows reports whether the keeper is attached to a segment.
func (c *client) knows(ctx context.Context, id uint64) (bool, error) {
	c.mu.Lock()
	known := c.known[id]
	c.mu.Unlock()
	if known {
		return true, nil
	}
	_, err := ask(ctx, request{op: opKnow, segment: id})
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.known[id] = true
		return true, nil
	}
	if errors.Is(err, ErrGone) {
		err = nil
	}
	return false, err
}
