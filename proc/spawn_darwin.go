package proc

import (
	"context"
	"os"
	"syscall"
)

// spawn starts a program. This system has no parent-death signal: the child ends with the parent by
// the control socket alone. The function it returns is to be called when the process has been
// reaped.
func spawn(_ context.Context, c *command) (pid int, reaped func(), err error) {
	files := make([]uintptr, len(c.files))
	for i, fd := range c.files {
		files[i] = uintptr(fd)
	}
	pid, _, err = syscall.StartProcess(c.path, c.argv, &syscall.ProcAttr{
		Dir:   c.dir,
		Env:   c.env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, nil, &os.PathError{Op: "fork/exec", Path: c.path, Err: err}
	}
	return pid, func() {}, nil
}

// reap waits for the end of the process; the wait holds a thread.
func reap(_ int, p *os.Process) (*os.ProcessState, error) { return p.Wait() }
