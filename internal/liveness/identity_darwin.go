package liveness

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// oneNamespace stands for the only namespace of process numbers that the system has.
const oneNamespace = 1

// Self is the identity of this process. Start is in microseconds since 1970.
func Self() Identity {
	id := Identity{Pid: uint32(os.Getpid()), Namespace: oneNamespace}
	if info, err := unix.SysctlKinfoProc("kern.proc.pid", os.Getpid()); err == nil {
		at := info.Proc.P_starttime
		id.Start = uint64(at.Sec)*1e6 + uint64(at.Usec)
	}
	return id
}

// zombie is SZOMB of sys/proc.h: the process has ended and its parent has not asked for its status.
const zombie = 5

// ended reports whether no process of that number is running. The system lists zombies; for a
// number that nobody has it answers with nothing, which x/sys calls EIO.
func ended(pid int) (bool, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ESRCH) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return info.Proc.P_stat == zombie, nil
}
