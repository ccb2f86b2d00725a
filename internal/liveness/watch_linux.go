package liveness

import (
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Watch waits for a process to die, without a thread of its own: the pidfd sits in Go's poller.
type Watch struct {
	pidfd   *os.File
	stopped atomic.Bool
	done    chan struct{}
}

// NewWatch calls died, once and on a goroutine of its own, when the process pid has died. The
// caller must see for itself, after NewWatch returned, that the process it meant is still the one
// that has the number (Held). It fails where the kernel has no pidfd or the process is gone.
func NewWatch(pid int, died func()) (*Watch, error) {
	if word.Modelled {
		if m := word.Current(); m != nil {
			w := &Watch{done: make(chan struct{})}
			close(w.done)
			if !m.Watch(w, pid, died) {
				return nil, fmt.Errorf("watch %d: %w", pid, unix.ESRCH)
			}
			return w, nil
		}
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	switch err {
	case nil:
	case unix.ENOSYS, unix.EPERM, unix.EINVAL: // before Linux 5.3, behind a filter, before 5.10
		return nil, fmt.Errorf("pidfd_open %d: %w: %w", pid, ErrUnsupported, err)
	default:
		return nil, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	w := &Watch{pidfd: os.NewFile(uintptr(fd), "pidfd"), done: make(chan struct{})}
	conn, err := w.pidfd.SyscallConn()
	if err != nil {
		w.pidfd.Close()
		return nil, err
	}
	go func() {
		defer close(w.done)
		err := conn.Read(readable)
		if err == nil && !w.stopped.Load() {
			died()
		}
		w.pidfd.Close()
	}()
	return w, nil
}

// readable looks at the pidfd without waiting; the poller calls it again after each event.
func readable(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1
}

// Stop ends the watch. It does not wait for a call of died that is under way: died may call Stop.
func (w *Watch) Stop() {
	if word.Modelled {
		if m := word.Current(); m != nil {
			m.Unwatch(w)
			return
		}
	}
	w.stopped.Store(true)
	w.pidfd.Close()
}

// Done is closed when the watch's goroutine has ended.
func (w *Watch) Done() <-chan struct{} { return w.done }
