//go:build linux || darwin

package proctest

import (
	"golang.org/x/sys/unix"
)

// Stop stops a child of this process with SIGSTOP, and returns when all of its threads stand still.
// The child can be waited for as before.
func Stop(pid int) error {
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return err
	}
	for {
		if err := stopped(pid); err != unix.EINTR {
			return err
		}
	}
}
