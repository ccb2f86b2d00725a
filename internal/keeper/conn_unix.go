//go:build linux || darwin

package keeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// mostPassed is how many descriptors come with a frame at most.
const mostPassed = 2

// conn is a stream of frames. Whoever waits at it holds no thread.
type conn struct{ *net.UnixConn }

// newConn takes over an end of a pair of sockets.
func newConn(fd int) (*conn, error) {
	f := os.NewFile(uintptr(fd), "keeper")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("no socket of the system: %w", errProtocol)
	}
	return &conn{u}, nil
}

func (c *conn) close() { _ = c.Close() }

func (c *conn) write(b []byte, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	n, _, err := c.WriteMsgUnix(b, rights, nil)
	if err == nil && n < len(b) {
		_, err = c.Write(b[n:])
	}
	return err
}

// read is the next frame, with its descriptors, which are the caller's.
func (c *conn) read() (b []byte, fds []int, err error) {
	b = make([]byte, frameSize)
	rights := make([]byte, syscall.CmsgSpace(4*mostPassed))
	for have := 0; have < len(b) && err == nil; {
		var n, m, flags int
		n, m, flags, _, err = c.ReadMsgUnix(b[have:], rights)
		have += n
		more, bad := passed(rights[:m])
		fds = append(fds, more...)
		switch {
		case err != nil:
		case n == 0:
			err = net.ErrClosed
		case bad != nil:
			err = bad
		case flags&syscall.MSG_CTRUNC != 0 && len(fds) < mostPassed: // there was room for one more in rights, and none in the process
			err = fmt.Errorf("the descriptor that came: %w", syscall.EMFILE)
		case flags&syscall.MSG_CTRUNC != 0 || len(fds) > mostPassed:
			err = fmt.Errorf("too many descriptors: %w", errProtocol)
		}
	}
	if err != nil {
		for _, fd := range fds {
			closeFd(fd)
		}
		return nil, nil, err
	}
	return b, fds, nil
}

// passed are the descriptors that came.
func passed(control []byte) (fds []int, err error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(control)
	for _, m := range messages {
		some, bad := syscall.ParseUnixRights(&m)
		fds = append(fds, some...)
		err = errors.Join(err, bad)
	}
	return fds, err
}

// serve answers one more process, until that ends its connection.
func (s *store) serve(fd int) error {
	c, err := newConn(fd)
	if err != nil {
		return err
	}
	go func() {
		p := &peer{fd: fd}
		defer s.leave(p)
		defer c.close()
		for {
			b, fds, err := c.read()
			if err != nil {
				return
			}
			r, err := decodeRequest(b, fds)
			if err != nil {
				return
			}
			a := s.answer(p, r)
			var with []int
			if a.fd >= 0 {
				with = []int{a.fd}
			}
			err = c.write(a.encode(), with)
			if a.fd >= 0 {
				closeFd(a.fd)
			}
			if err != nil {
				return
			}
		}
	}()
	return nil
}

// Serve has the keeper answer who has the other end of a pair of sockets. It takes over this one.
func Serve(fd int) error {
	_, err := ask(context.Background(), request{op: opServe, fds: []int{fd}})
	return err
}

func closeFd(fd int) { _ = unix.Close(fd) }

func duplicateFd(fd int) (int, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
	}
	return dup, nil
}

// DuplicateOf is a duplicate of the descriptor of an open file, or socket, which stays in the mode that it is in.
func DuplicateOf(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	if err := raw.Control(func(original uintptr) { fd, failed = duplicateFd(int(original)) }); err != nil {
		return -1, os.ErrClosed
	}
	return fd, failed
}

// fileOf is a descriptor of a segment's file.
func fileOf(s *segment.Segment) (int, error) {
	f, err := s.File()
	if err != nil {
		return -1, err
	}
	defer f.Close()
	return DuplicateOf(f)
}
