package proc

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
)

// A Process is a child that Start started. It may be used by any number of goroutines.
//
// The parent reaps the child as soon as it ends, whether or not anybody waits, and releases
// everything that belongs to it; a Process need not be closed.
type Process struct {
	name     string
	pid      int
	process  *os.Process
	control  *os.File   // the parent's end, read by listen, closed by watch
	speaking sync.Mutex // held by who writes to control
	outputs  outputs
	tail     *tail // nil if nothing is kept of the standard error

	started chan error    // nil when the child said ready, or parked; else the last value
	heard   chan struct{} // closed when listen has returned
	text    string        // the function's error, written before heard is closed

	done     chan struct{} // closed when the child is reaped, and what itself said and wrote is read
	err      error         // of Wait, written before done is closed
	released chan struct{} // closed when its streams are, too
}

// Name returns the name of the process.
func (p *Process) Name() string { return p.name }

// Pid returns the child's process id. After the child's end the system may give it to another
// process: to send signals, use the methods here.
func (p *Process) Pid() int { return p.pid }

// Wait waits until the child has ended, and its output has been passed on (see Stdout). It returns nil if the exit status is 0, and an
// *ExitError otherwise; the same each time, to each caller. If the context is done before, Wait returns the
// context's error; the child goes on.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.released:
		return p.err
	default:
	}
	select {
	case <-p.released:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done returns a channel that is closed when the child has ended and has been reaped. It does not wait for descendants of the child
// that hold its streams, as Wait does for a second. To wait for it beside queues and pipes, give queue.Select a queue.Closed of it.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns what Wait does, and nil as long as Done is open. It does not wait.
func (p *Process) Err() error {
	if p.Alive() {
		return nil
	}
	return p.err
}

// Alive reports whether Done is still open. It does not wait.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ExitCode returns the exit status, or the number of the signal that ended the child, less than 0, and whether the child
// has ended. It does not wait. A status that was lost to somebody else in the program, who waits for any child, is
// 255.
func (p *Process) ExitCode() (code int, ended bool) {
	if p.Alive() {
		return 0, false
	}
	var exit *ExitError
	switch {
	case p.err == nil:
		return 0, true
	case !errors.As(p.err, &exit):
		return 255, true
	case exit.Signal != nil:
		sig, _ := exit.Signal.(syscall.Signal)
		return -int(sig), true
	}
	return exit.Code, true
}

// Signal sends a signal to the child alone, never to a process that got its number later. After the
// child's end it does nothing and returns os.ErrProcessDone.
//
// A child has a process group of its own: Ctrl-C at the terminal signals the parent only, which
// decides.
func (p *Process) Signal(sig os.Signal) error { return p.process.Signal(sig) }

// Kill sends SIGKILL, as Signal does. The child's own children that were started by this package
// die with it.
func (p *Process) Kill() error { return p.Signal(os.Kill) }

// Terminate sends SIGTERM, as Signal does. A Go program that does not catch it ends by it, unless
// it was started with the signal ignored; children inherit that from their parent.
func (p *Process) Terminate() error { return p.Signal(syscall.SIGTERM) }

// Interrupt sends SIGINT, of which the same is true.
func (p *Process) Interrupt() error { return p.Signal(os.Interrupt) }

// Close kills the child if it still runs, and returns when it is reaped and everything that belongs
// to it is released. After the first call it does nothing. How the child ended can still be learned
// from Wait.
func (p *Process) Close() error {
	_ = p.Kill() // the only error is that there is nothing left to kill
	<-p.released
	return nil
}
