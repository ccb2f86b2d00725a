package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// reap waits for the end of the process and takes its status. The wait is on a pidfd in the
// runtime's poller and holds no thread, where os.Process.Wait holds one per process.
func reap(pid int, p *os.Process) (*os.ProcessState, error) {
	if f := openPidfd(pid); f != nil {
		waitReadable(f)
		f.Close()
	}
	// Returns at once if the pidfd was seen readable, and waits on its thread if there is none.
	return p.Wait()
}

// openPidfd returns nil where there are no pidfds, before Linux 5.3 or under a seccomp filter. The
// process must not have been reaped.
func openPidfd(pid int) *os.File {
	// A descriptor of its own: os.Process does not let its own be non-blocking.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	f, err := pollable(fd, "pidfd")
	if err != nil {
		return nil
	}
	return f
}

// waitReadable returns when the process of the pidfd has ended, or when the poller does not take
// the descriptor.
func waitReadable(pidfd *os.File) {
	conn, err := pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(fd uintptr) bool {
		for {
			polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(polled, 0)
			if err == unix.EINTR {
				continue
			}
			// An error here leaves the wait to os.Process.
			return n > 0 || err != nil
		}
	})
}
