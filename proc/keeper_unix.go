//go:build linux || darwin

package proc

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/keeper"
)

// introduce gives the child what it has asked for: a connection to the keeper, or the reason why there is none.
func (p *Process) introduce() {
	theirs, err := connectToKeeper()
	p.speaking.Lock()
	defer p.speaking.Unlock()
	if err != nil {
		_ = writeFrame(p.control, frameKeeper, []byte(cut(err.Error())))
		return
	}
	defer unix.Close(theirs)
	// If it is not sent the child is gone.
	_ = sendWith(p.control, appendFrame(nil, frameKeeper, nil), theirs)
}

// connectToKeeper is the end of a connection to the keeper that somebody else gets.
func connectToKeeper() (theirs int, err error) {
	fds, err := closeOnExecPair(func(fds *[2]int) (err error) {
		*fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|pairFlags, 0)
		return err
	})
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	if err := keeper.Serve(fds[0]); err != nil {
		unix.Close(fds[1])
		return -1, err
	}
	return fds[1], nil
}

// sendWith writes b, with a descriptor beside its first byte.
func sendWith(f *os.File, b []byte, fd int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	rights := unix.UnixRights(fd)
	for len(b) > 0 && err == nil {
		var n int
		var failed error
		err = conn.Write(func(to uintptr) bool {
			n, failed = unix.SendmsgN(int(to), b, rights, nil, 0)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		if err = errors.Join(err, failed); err == nil {
			b, rights = b[n:], nil
		}
	}
	return err
}

// listener reads what the parent says, with the descriptors that come beside it.
type listener struct {
	control *os.File
	fds     []int
}

// Read is that of an io.Reader.
func (l *listener) Read(b []byte) (n int, err error) {
	conn, err := l.control.SyscallConn()
	if err != nil {
		return 0, err
	}
	rights := make([]byte, unix.CmsgSpace(4))
	var m int
	var failed error
	err = conn.Read(func(from uintptr) bool {
		n, m, _, _, failed = unix.Recvmsg(int(from), b, rights, receiveFlags)
		return failed != unix.EAGAIN && failed != unix.EINTR
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	l.note(rights[:m])
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// note keeps the descriptors that came.
func (l *listener) note(control []byte) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return
	}
	for i := range messages {
		fds, _ := unix.ParseUnixRights(&messages[i])
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			l.fds = append(l.fds, fd)
		}
	}
}

// take is the descriptor that came last, -1 if none did. It closes any others.
func (l *listener) take() (fd int) {
	fd = -1
	for _, next := range l.fds {
		if fd >= 0 {
			unix.Close(fd)
		}
		fd = next
	}
	l.fds = nil
	return fd
}

// introduction is the parent's answer to a child that wants a connection to the keeper.
type introduction struct {
	fd  int
	err error
}

// meeting hands the answer to who has asked: one at a time.
type meeting struct {
	mu      sync.Mutex
	waiting chan introduction
	over    bool // there is no parent any more
}

// meet asks, and waits for the answer.
func (m *meeting) meet(ask func()) (fd int, err error) {
	m.mu.Lock()
	if m.over {
		m.mu.Unlock()
		return -1, errNoParent
	}
	answer := make(chan introduction, 1)
	m.waiting = answer
	m.mu.Unlock()
	ask()
	a := <-answer
	return a.fd, a.err
}

// answered passes the answer on.
func (m *meeting) answered(a introduction, over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = m.over || over
	if m.waiting != nil {
		m.waiting <- a
		m.waiting = nil
	} else if a.fd >= 0 {
		unix.Close(a.fd)
	}
}

var errNoParent = errors.New("the parent is gone")
