package demo

import "golang.org/x/sys/unix"

// stopped reports whether all threads of the child pid have stopped. The state in /proc/PID/stat would be that of
// its first thread alone. WNOWAIT leaves the state as it is for whoever waits for the child's end.
func stopped(pid int) (bool, error) {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err == unix.EINTR {
		return false, nil
	}
	return err == nil && info.Signo != 0, err
}
