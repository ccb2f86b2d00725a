package crashlab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const forkOptions = traceOptions | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK

// toFork lets the process run until it has forked, and returns the child, which stands still in front
// of its first instruction. The parent is let go: with vfork, the thread that forked sleeps until the
// child has executed a program or ended.
func (t *tracer) toFork() (child int, err error) {
	for forked := false; child == 0 || !forked; {
		var status unix.WaitStatus
		id, err := unix.Wait4(-1, &status, waitOwn, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return child, fmt.Errorf("wait4: %w", err)
		}
		if status.Exited() || status.Signaled() {
			delete(t.stopped, id)
			if id == t.pid {
				t.gone = true
				return child, errGone
			}
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", t.pid, id)); err != nil {
			child = id
			continue
		}
		t.stopped[id] = true
		if cause := status.TrapCause(); cause == unix.PTRACE_EVENT_VFORK || cause == unix.PTRACE_EVENT_FORK {
			// Once it sleeps for the child it cannot be stopped any more, and so not be let go.
			t.thread, forked = id, true
			continue
		}
		if err := t.other(id, status); err != nil {
			return child, err
		}
	}
	if err := t.freeze(); err != nil {
		return child, err
	}
	return child, t.release()
}

// killChild ends a child that toFork returned.
func killChild(child int) error {
	if err := unix.Kill(child, unix.SIGKILL); err != nil {
		return err
	}
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(child, &status, waitOwn, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case status.Signaled():
			return nil
		}
	}
}
