package crashlab

import (
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// Execute replaces this process's program, by one that does nothing for as long as it lives.
func Execute() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(exe, []string{exe}, []string{childVariable + "=" + imageRests})
}

// Fork starts a process, which ends at once, and waits for it. That it was killed is no error.
func Fork() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe)
	cmd.Env = []string{childVariable + "=" + imageEnds}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = cmd.Wait()
	return nil
}
