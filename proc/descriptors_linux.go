package proc

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const (
	descriptorsDir = "/proc/self/fd"
	pairFlags      = unix.SOCK_CLOEXEC
	receiveFlags   = unix.MSG_CMSG_CLOEXEC
)

func closeOnExecPair(make func(*[2]int) error) (fds [2]int, err error) {
	err = make(&fds)
	return fds, err
}

func makePipe(fds *[2]int) error { return unix.Pipe2(fds[:], unix.O_CLOEXEC) }

// self returns a path of the running program that leads to it even if its file was replaced or
// removed: the new process resolves it before it gives up the program of the old.
func self() (string, error) {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link, nil
	}
	return os.Executable()
}

// argumentFile returns a descriptor of a file that holds payload and that nobody can change any
// more, the child included.
func argumentFile(payload []byte) (fd int, err error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err = unix.MemfdCreate("kindred-arguments", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("kindred-arguments", flags) // before Linux 6.3
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return argumentFallback(payload) // forbidden by a seccomp filter
	}
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	for rest := payload; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, os.NewSyscallError("write", err)
		}
		rest = rest[n:]
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}
