package proc

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/kindred-ipc/kindred/internal/codec"
)

// Errors of Start, found with errors.Is.
var (
	// ErrNoMain is returned by Start in a process that has not called Main. No process was started:
	// without Main its child would run the program's main function, and so start children of its
	// own, without end.
	ErrNoMain = errors.New("proc.Main has not been called: call it first in main(), and in tests from TestMain")

	// ErrUnencodable says that the arguments, or their type, cannot be encoded. No process was
	// started.
	ErrUnencodable = codec.ErrUnencodable

	// ErrUndecodable says that the child could not decode its arguments: its program registers
	// another type under the function's name.
	ErrUndecodable = errors.New("the child cannot decode its arguments")

	// ErrNotRegistered says that the child's program has no function of that name at the time when
	// it calls Main.
	ErrNotRegistered = errors.New("function is not registered in the child")

	// ErrProtocol says that the child did not speak as this package does: its program was built
	// with another version of it, or uses the control socket for something else.
	ErrProtocol = errors.New("control protocol violated")

	// ErrOption says that an option's value is out of its range.
	ErrOption = errors.New("invalid option")
)

// ErrUnsupported is returned by Start on systems other than Linux and macOS.
var ErrUnsupported = fmt.Errorf("proc: %w", errors.ErrUnsupported)

// An ExitError says how a child ended that did not end well: with an exit status other than 0, or
// by a signal.
type ExitError struct {
	Pid  int
	Name string // of the process

	// Code is the exit status, or -1 if the child was ended by a signal.
	Code int

	// Signal is the signal that ended the child, a syscall.Signal, or nil.
	Signal os.Signal

	// Text is the text of the error that the function returned, or empty if the child ended
	// otherwise: by os.Exit, a panic or a signal.
	Text string
}

// Error returns, for instance, `proc: "parse-1" (pid 42): exit status 1: no such file`.
func (e *ExitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "proc: %q (pid %d): ", e.Name, e.Pid)
	if e.Signal != nil {
		fmt.Fprintf(&b, "signal: %v", e.Signal)
	} else {
		fmt.Fprintf(&b, "exit status %d", e.Code)
	}
	if e.Text != "" {
		b.WriteString(": ")
		b.WriteString(e.Text)
	}
	return b.String()
}
