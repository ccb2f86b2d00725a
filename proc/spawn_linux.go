package proc

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A spawner is the one thread from which this process starts its children. The kernel sends a child
// its parent-death signal when the thread that made it ends, which Go's threads do as they please:
// one whose goroutine returns while locked to it takes down every child that happened to be started
// on it (go.dev/issue/27505). The spawner's thread belongs to its goroutine, which stays while
// there are children: it starts with the first, and ends when the last is reaped.
type spawner struct {
	mu       sync.Mutex
	children int           // started or about to be, not yet reaped
	jobs     chan<- func() // to the goroutine, while there are children
	ended    <-chan struct{}
}

var theSpawner spawner

// spawn starts a program that dies with this process. The function it returns is to be called when
// the process has been reaped.
func spawn(ctx context.Context, c *command) (pid int, reaped func(), err error) {
	jobs := theSpawner.join()
	done := make(chan struct{})
	job := func() {
		defer close(done)
		pid, err = c.start()
	}
	select {
	case jobs <- job:
		<-done
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		theSpawner.leave()
		return 0, nil, err
	}
	return pid, theSpawner.leave, nil
}

// join counts a child in.
func (s *spawner) join() chan<- func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children++
	if s.children == 1 {
		jobs, ended := make(chan func()), make(chan struct{})
		s.jobs, s.ended = jobs, ended
		go work(jobs, ended)
	}
	return s.jobs
}

// leave counts a child out; after the last one it waits until the goroutine is gone.
func (s *spawner) leave() {
	s.mu.Lock()
	s.children--
	last, ended := s.children == 0, s.ended
	if last {
		close(s.jobs)
	}
	s.mu.Unlock()
	if last {
		<-ended
	}
}

func work(jobs <-chan func(), ended chan<- struct{}) {
	runtime.LockOSThread()
	// Unlocked again, the thread goes back to the runtime; it may be the main thread, which cannot
	// end.
	defer runtime.UnlockOSThread()
	defer close(ended)
	for job := range jobs {
		job()
	}
}

// start runs on the spawner's thread.
func (c *command) start() (pid int, err error) {
	files := make([]uintptr, len(c.files))
	for i, fd := range c.files {
		files[i] = uintptr(fd)
	}
	if c.cpus != nil {
		restore, err := c.settle()
		if err != nil {
			return 0, fmt.Errorf("Affinity(%v): %w", c.cpus, err)
		}
		defer restore()
	}
	sys := &syscall.SysProcAttr{Setpgid: true}
	if !c.outlives {
		sys.Pdeathsig = syscall.SIGKILL
	}
	pid, _, err = syscall.StartProcess(c.path, c.argv, &syscall.ProcAttr{
		Dir:   c.dir,
		Env:   c.env,
		Files: files,
		Sys:   sys,
	})
	if err != nil {
		return 0, &os.PathError{Op: "fork/exec", Path: c.path, Err: err}
	}
	return pid, nil
}

// settle has this thread run where the child is to run, which inherits that.
func (c *command) settle() (restore func(), err error) {
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, err
	}
	for _, n := range c.cpus {
		set.Set(n)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return nil, err
	}
	return func() { _ = unix.SchedSetaffinity(0, &before) }, nil
}
