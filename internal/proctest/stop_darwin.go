package proctest

import "golang.org/x/sys/unix"

func stopped(pid int) error {
	_, err := unix.Wait4(pid, nil, unix.WUNTRACED, nil)
	return err
}
