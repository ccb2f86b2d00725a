package pool

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/ring"
)

var (
	// ErrClosed: the pool was closed.
	ErrClosed = errors.New("pool: closed")
	// ErrNotClosed: Join waits for the end of a pool, and nobody has asked for it.
	ErrNotClosed = errors.New("pool: not closed")
	// ErrPending: the future has no result yet.
	ErrPending = errors.New("pool: future is not done")
	// ErrWithin: what the pool waits for cannot wait for the pool.
	ErrWithin = errors.New("pool: waits for itself")
	// ErrDepth: calls are nested in each other too deep.
	ErrDepth = fmt.Errorf("pool: calls are nested more than %d deep", maxDepth)
	// ErrWorkers: a pool cannot have that many workers.
	ErrWorkers = errors.New("pool: impossible number of workers")
	// ErrOption: an option has an impossible value.
	ErrOption = errors.New("pool: impossible option")
	// ErrNotRegistered: the worker's program has no task of that name.
	ErrNotRegistered = errors.New("pool: task is not registered in the worker")
	// ErrUnencodable: the input or the result holds what cannot be handed over; the error names it.
	ErrUnencodable = codec.ErrUnencodable
	// ErrUndecodable: the other side's program knows the task with other types, or a value does not
	// accept what one like it was encoded as.
	ErrUndecodable = errors.New("cannot be decoded")
	// ErrTooLarge: the input or the result is larger than MaxMessage allows.
	ErrTooLarge = errors.New("too large")
	// ErrBroken: workers died, one after the other, as soon as they were started, or more often than RestartLimit
	// allows, or one died and BreakOnDeath was asked for. The pool has given up. That of a Broadcast on a worker that alone was given up is one, too.
	ErrBroken = errors.New("pool: broken")
)

// WorkerDied is the error of a task whose worker died while it ran it, as often as Retry allows.
type WorkerDied struct {
	Task     string
	Pid      int
	Code     int            // exit code, -1 if a signal ended it
	Signal   syscall.Signal // 0 if it exited
	Attempts int            // how often the task was begun
	OOM      OOM            // whether the kernel's out-of-memory killer ended it
	Stderr   string         // the last lines that it wrote to its standard error, 4 KiB at most (see proc.KeepStderr)

	fault error // why the pool itself killed it
}

func (e *WorkerDied) Error() string {
	how := fmt.Sprintf("exited with status %d", e.Code)
	if e.Signal != 0 {
		how = fmt.Sprintf("was killed by signal %d (%s)", int(e.Signal), e.Signal)
	}
	text := fmt.Sprintf("pool: worker process %d %s", e.Pid, how)
	if e.Task != "" {
		text = fmt.Sprintf("pool: task %q: worker process %d %s while it ran it (attempt %d)", e.Task, e.Pid, how, e.Attempts)
	}
	switch {
	case e.fault != nil:
		text += ": " + e.fault.Error()
	case e.OOM == OOMYes:
		text += ": the system was out of memory"
	}
	return text + lastWords(e.Stderr)
}

// Unwrap gives the pool's own reason to kill the worker, if it had one.
func (e *WorkerDied) Unwrap() error { return e.fault }

// lastWords is, for an error, what a process wrote last: the line by which the Go runtime announced its end, or the last one.
func lastWords(stderr string) string {
	last := ""
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		last = line
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			break
		}
	}
	if last == "" {
		return ""
	}
	return fmt.Sprintf("; its last words: %.200q", last)
}

// PanicError is the error of a task that panicked. The worker lives on.
type PanicError struct {
	Task  string
	Value string // what was given to panic, as text
	Stack string // of the worker's goroutine
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("pool: task %q panicked: %s\n\n%s", e.Task, e.Value, e.Stack)
}

// TaskError is what a task returned as its error: its text, and what of it is registered, itself or what it wraps, which
// errors.Is and errors.As find in it; see RegisterError.
type TaskError struct {
	Task  string
	Text  string
	known []error
}

func (e *TaskError) Error() string { return fmt.Sprintf("pool: task %q: %s", e.Task, e.Text) }

// Unwrap gives the errors that are registered, in the order in which they wrapped each other.
func (e *TaskError) Unwrap() []error { return e.known }

// Outcomes of a task, as a reply carries them.
const (
	outcomeResult = iota
	outcomeError
	outcomeKnown
	outcomePanic
	outcomeNotRegistered
	outcomeUndecodable
	outcomeUnencodable
	outcomeTooLarge
	outcomes // how many there are
)

// failure makes a reply's text the error that the caller gets.
func failure(task string, outcome uint32, payload []byte) error {
	text := string(payload)
	switch outcome {
	case outcomeError:
		return &TaskError{Task: task, Text: text}
	case outcomeKnown:
		return hear(task, payload)
	case outcomePanic:
		at := max(strings.LastIndex(text, panicSeparator), 0)
		return &PanicError{Task: task, Value: text[:at], Stack: strings.TrimPrefix(text[at:], panicSeparator)}
	case outcomeNotRegistered:
		return fmt.Errorf("%w: %q; it has %s", ErrNotRegistered, task, text)
	case outcomeUndecodable:
		return fmt.Errorf("pool: task %q: its input, in the worker: %w: %s", task, ErrUndecodable, text)
	case outcomeUnencodable:
		return &toldError{fmt.Sprintf("pool: task %q: its result: %s", task, text), ErrUnencodable}
	case outcomeTooLarge:
		return &toldError{fmt.Sprintf("pool: task %q: its result: %s", task, text), ErrTooLarge}
	default:
		return fmt.Errorf("pool: task %q: reply of kind %d: %w", task, outcome, errProtocol)
	}
}

// toldError is an error that arrived as its text, and the sentinel that was in it.
type toldError struct {
	text string
	kind error
}

func (e *toldError) Error() string { return e.text }
func (e *toldError) Unwrap() error { return e.kind }

// errProtocol: the worker sent what no worker sends. It is killed.
var errProtocol = errors.New("worker breaks the protocol")

// blame is err if it says what the worker did wrong, and nil if it just died.
func blame(err error) error {
	if errors.Is(err, errProtocol) || errors.Is(err, ring.ErrCorrupt) {
		return err
	}
	return nil
}
