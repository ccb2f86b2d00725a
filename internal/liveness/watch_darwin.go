package liveness

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Watch waits for a process to die, on a thread of its own that sleeps in kevent(2).
type Watch struct {
	done chan struct{}

	mu      sync.Mutex
	kq      int // -1 once the goroutine has closed it
	stopped bool
}

// NewWatch calls died, once and on a goroutine of its own, when the process pid has died: the
// kernel posts NOTE_EXIT when the last thread has left. The caller must see for itself, after
// NewWatch returned, that the process it meant is still the one that has the number (Held). It
// fails if the process is gone.
func NewWatch(pid int, died func()) (*Watch, error) {
	kq, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("kqueue: %w", err)
	}
	unix.CloseOnExec(kq)
	if err := subscribe(kq, pid); err != nil {
		unix.Close(kq)
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	w := &Watch{done: make(chan struct{}), kq: kq}
	go w.run(kq, died)
	return w, nil
}

// subscribe asks for the two events that end a watch. Only an exit that comes after it is posted,
// so whether the process has exited already is looked at afterwards.
func subscribe(kq, pid int) error {
	var exit, stop unix.Kevent_t
	unix.SetKevent(&exit, pid, unix.EVFILT_PROC, unix.EV_ADD)
	exit.Fflags = unix.NOTE_EXIT
	unix.SetKevent(&stop, 0, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR)
	if _, err := unix.Kevent(kq, []unix.Kevent_t{exit, stop}, nil, nil); err != nil {
		return err
	}
	gone, err := ended(pid)
	if err != nil {
		return err
	}
	if gone {
		return unix.ESRCH
	}
	return nil
}

func (w *Watch) run(kq int, died func()) {
	defer close(w.done)
	exited := waitExit(kq)
	w.mu.Lock()
	unix.Close(kq)
	w.kq = -1
	stopped := w.stopped
	w.mu.Unlock()
	if exited && !stopped {
		died()
	}
}

// waitExit reports whether the process has exited; otherwise the watch was stopped.
func waitExit(kq int) bool {
	var events [2]unix.Kevent_t
	for {
		n, err := unix.Kevent(kq, nil, events[:], nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false
		}
		stop := false
		for _, e := range events[:n] {
			if e.Filter == unix.EVFILT_PROC && e.Fflags&unix.NOTE_EXIT != 0 {
				return true
			}
			stop = stop || e.Filter == unix.EVFILT_USER
		}
		if stop {
			return false
		}
	}
}

// Stop ends the watch. It does not wait for a call of died that is under way: died may call Stop.
func (w *Watch) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.kq < 0 {
		return
	}
	var stop unix.Kevent_t
	unix.SetKevent(&stop, 0, unix.EVFILT_USER, 0)
	stop.Fflags = unix.NOTE_TRIGGER
	_, _ = unix.Kevent(w.kq, []unix.Kevent_t{stop}, nil, nil)
}

// Done is closed when the watch's goroutine has ended.
func (w *Watch) Done() <-chan struct{} { return w.done }
