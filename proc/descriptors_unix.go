//go:build linux || darwin

package proc

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/shm"
)

// descriptors are the parent's copies of what the child is to have: the index is the child's
// number. They are close-on-exec, so that no other child gets them, and the parent closes them when
// the child is started.
type descriptors struct {
	fds []int
}

// add takes over fd.
func (d *descriptors) add(fd int) { d.fds = append(d.fds, fd) }

func (d *descriptors) addNull(mode int) error {
	fd, err := unix.Open(os.DevNull, mode|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	d.add(fd)
	return nil
}

func (d *descriptors) addFile(f *os.File) error {
	fd, err := duplicate(f)
	if err != nil {
		return err
	}
	d.add(fd)
	return nil
}

func (d *descriptors) addSegment(s *shm.Segment) error {
	f, err := s.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return d.addFile(f)
}

func (d *descriptors) addDuplicate(fd int) error {
	dup, err := duplicateFd(fd)
	if err != nil {
		return err
	}
	d.add(dup)
	return nil
}

func (d *descriptors) close() {
	for _, fd := range d.fds {
		unix.Close(fd)
	}
	d.fds = nil
}

// withoutStrays returns the child's descriptors followed by an order to close as many further
// numbers as there may be strays behind: descriptors of this process that are not close-on-exec,
// because it inherited them itself, or C code or a system call by hand made them. Every program
// started would inherit them, and keep locks held and pipes open. One that comes to be between this
// look and the start is not caught.
func (d *descriptors) withoutStrays() []int {
	files := append([]int(nil), d.fds...)
	for last := lastStray(); len(files) <= last; {
		files = append(files, -1)
	}
	return files
}

// maxStray bounds the numbers that are looked after, because each number below costs the start of
// the child a system call.
const maxStray = 1 << 16

// lastStray returns the highest number of a descriptor that programs started by this process
// inherit.
func lastStray() int {
	last := 2
	dir, err := os.Open(descriptorsDir)
	if err != nil {
		return last // no /proc: nothing is known
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= last || fd > maxStray {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			last = fd
		}
	}
	return last
}

// duplicate returns a close-on-exec duplicate of f's descriptor, and leaves f in the mode it is in.
func duplicate(f *os.File) (fd int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	if err := conn.Control(func(original uintptr) { fd, dupErr = duplicateFd(int(original)) }); err != nil {
		return -1, os.ErrClosed
	}
	return fd, dupErr
}

func duplicateFd(fd int) (int, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, controlDescriptor)
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
	}
	return dup, nil
}

// socketPair returns the parent's end of a new control socket, and the child's.
func socketPair() (parent *os.File, child int, err error) {
	fds, err := closeOnExecPair(func(fds *[2]int) (err error) {
		*fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|pairFlags, 0)
		return err
	})
	if err != nil {
		return nil, -1, os.NewSyscallError("socketpair", err)
	}
	parent, err = pollable(fds[0], "control socket")
	if err != nil {
		unix.Close(fds[1])
		return nil, -1, err
	}
	return parent, fds[1], nil
}

// outputPair returns a pipe's read end, and its write end, which blocks as programs expect of their
// standard streams.
func outputPair() (r *os.File, w int, err error) {
	fds, err := closeOnExecPair(makePipe)
	if err != nil {
		return nil, -1, os.NewSyscallError("pipe", err)
	}
	r, err = pollable(fds[0], "output of a child")
	if err != nil {
		unix.Close(fds[1])
		return nil, -1, err
	}
	return r, fds[1], nil
}

// pollable makes an *os.File of fd on which a goroutine waits without a thread, and whose Close
// ends the wait.
func pollable(fd int, name string) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
