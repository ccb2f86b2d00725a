package demo

import "golang.org/x/sys/unix"

const sstop = 4 // SSTOP of <sys/proc.h>

// stopped reports whether the process pid has stopped. wait4 would take the state away from whoever waits for
// the child's end.
func stopped(pid int) (bool, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return false, err
	}
	return info.Proc.P_stat == sstop, nil
}
