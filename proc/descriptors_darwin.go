package proc

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	descriptorsDir = "/dev/fd"
	pairFlags      = 0
	receiveFlags   = 0
)

// closeOnExecPair holds off the start of other programs between the making of the descriptors and
// their mark, which this system has no single call for.
func closeOnExecPair(make func(*[2]int) error) (fds [2]int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err = make(&fds); err != nil {
		return fds, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds, nil
}

func makePipe(fds *[2]int) error { return unix.Pipe(fds[:]) }

// self returns the path under which the program was started.
func self() (string, error) { return os.Executable() }

// argumentFile returns a descriptor of a file that holds payload.
func argumentFile(payload []byte) (fd int, err error) { return argumentFallback(payload) }
