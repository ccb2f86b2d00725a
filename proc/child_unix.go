//go:build linux || darwin

package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/inherit"
	"github.com/kindred-ipc/kindred/internal/keeper"
	"github.com/kindred-ipc/kindred/shm"
)

// Exit statuses of a child.
const (
	exitFailed  = 1 // the function returned an error
	exitRefused = 2 // it did not get as far as the function
)

// A child is a process that has found out that it is one.
type child struct {
	invitation invitation
	control    *os.File   // reads from main, then from watchParent
	speaking   sync.Mutex // held by who writes to control
	keeper     meeting
}

// claim returns the child that the value of the environment variable invites this process to be, or
// nil if the value is stale: the descriptor is closed, is no socket, or has another first message
// waiting. In the last case nothing is taken from it, and it stays as it is: it belongs to somebody
// else.
func claim(value string) *child {
	inv, ok := parseInvitation(value)
	if !ok {
		return nil
	}
	want := inv.cookie.hello()
	got := make([]byte, len(want))
	// The parent wrote the cookie before it started anything, so it is there or never will be.
	// Looked at before it is taken, lest another's data be lost.
	if n, err := receive(inv.descriptor, got, unix.MSG_PEEK|unix.MSG_DONTWAIT); err != nil || n != len(want) || string(got) != string(want) {
		return nil
	}
	if n, err := receive(inv.descriptor, got, unix.MSG_DONTWAIT); err != nil || n != len(want) || string(got) != string(want) {
		return nil
	}
	unix.CloseOnExec(inv.descriptor)
	// Non-blocking, so that the goroutine that waits for the parent's death holds no thread; it
	// would work otherwise, too.
	_ = unix.SetNonblock(inv.descriptor, true)
	return &child{invitation: inv, control: os.NewFile(uintptr(inv.descriptor), "control socket")}
}

// receive is recv(2), which fails on anything but a socket.
func receive(fd int, b []byte, flags int) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, b, flags)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// main runs the function and returns the process's exit status.
func (c *child) main() int {
	ctx, run, err := c.prepare()
	if err != nil {
		var r *refusalError
		if !errors.As(err, &r) {
			r = &refusalError{refusedSystem, err.Error()}
		}
		c.say(frameRefused, encodeRefusal(r.why, r.text))
		return exitRefused
	}
	c.say(frameReady, nil)
	defer c.reportGoexit()
	if err := run(ctx); err != nil {
		c.say(frameFailed, []byte(cut(err.Error())))
		return exitFailed
	}
	return 0
}

// refusalError is a reason not to run the function.
type refusalError struct {
	why  refusal
	text string
}

func (e *refusalError) Error() string { return e.text }

// prepare learns from the parent what to run, and with what.
func (c *child) prepare() (context.Context, call, error) {
	if c.invitation.version != protocolVersion {
		return nil, nil, &refusalError{refusedProtocol,
			fmt.Sprintf("the parent speaks version %d, the child %d", c.invitation.version, protocolVersion)}
	}
	kind, payload, err := readFrame(c.control)
	if err != nil {
		die() // there is no parent
	}
	if kind != frameStart {
		return nil, nil, &refusalError{refusedProtocol, fmt.Sprintf("frame of kind %d in place of a start", kind)}
	}
	message, err := decodeStart(payload)
	if err != nil {
		return nil, nil, &refusalError{refusedProtocol, err.Error()}
	}
	above := &ParentProcess{message.parent, os.Getppid(), make(chan struct{})}
	parent.Store(above)
	keeper.Join(message.keeper, c.connect)
	current.Store(&Info{message.process, message.function, os.Getpid(), os.Getppid()})
	if !message.parked { // else this goroutine does it meanwhile
		go c.watchParent(above, message.outlive)
	}
	arguments, from, err := c.inherit(message)
	if err != nil {
		return nil, nil, err
	}
	defer arguments.Close()
	if err := confine(message); err != nil {
		return nil, nil, err
	}
	e, ok := functions.lookup(message.function)
	if !ok {
		return nil, nil, &refusalError{refusedNotRegistered, describeMissing(message.function)}
	}
	var encoded []byte
	if message.parked {
		encoded, err = c.park()
		go c.watchParent(above, message.outlive)
	} else {
		encoded, err = readAll(arguments)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the arguments: %w", err)
	}
	run, err := e.load(encoded)
	if err != nil {
		return nil, nil, &refusalError{refusedUndecodable, fmt.Sprintf("function %q at %s: %v", e.name, e.where, err)}
	}
	return inherit.With(context.Background(), from), run, nil
}

// inherit makes files and segments of the descriptors that the parent gave. From here on no process
// that the child starts inherits them.
//
// The segments are never closed: the end of the process ends the attaches. Closed before, they
// would show ErrClosed to goroutines that the function left behind, which might take it for a
// reason to exit with a status of their own.
func (c *child) inherit(m startMessage) (arguments *os.File, from inherit.Given, err error) {
	next := c.invitation.descriptor + 1
	take := func(name string) *os.File {
		fd := next
		next++
		if _, e := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); e != nil {
			err = errors.Join(err, fmt.Errorf("descriptor %d, %s: %w", fd, name, e))
			return nil
		}
		return os.NewFile(uintptr(fd), name)
	}
	arguments = take("arguments")
	var files []*os.File
	for i := range m.segments {
		files = append(files, take(fmt.Sprintf("segment %d", i)))
	}
	for _, name := range m.files {
		from.Files = append(from.Files, take(name))
	}
	if err != nil {
		return nil, from, err
	}
	for _, f := range files {
		s, err := shm.FromFile(f, shm.As(m.process))
		f.Close() // the attach has a descriptor of its own
		if err != nil {
			return nil, from, err
		}
		from.Segments = append(from.Segments, s)
	}
	return arguments, from, nil
}

// park waits for the arguments.
func (c *child) park() (encoded []byte, err error) {
	populate()
	c.say(frameParked, nil)
	for {
		kind, payload, err := readFrame(c.control)
		if err != nil {
			die() // the parent is gone, or wants this child no more
		}
		switch kind {
		case frameArguments:
			encoded = append(encoded, payload...)
		case frameRun:
			return append(encoded, payload...), nil
		}
	}
}

// confine takes on what the parent wants of priority and limits.
func confine(m startMessage) error {
	if m.niced {
		// Of the group, which has this process alone: the call for a process would, on Linux, mean one thread.
		if err := unix.Setpriority(unix.PRIO_PGRP, 0, m.nice); err != nil {
			return fmt.Errorf("Nice(%d): %w", m.nice, err)
		}
	}
	for _, l := range m.limits {
		// By package syscall: the runtime sets the limit of files by itself otherwise, and restores that.
		if err := syscall.Setrlimit(l.resource, rlimitOf(l)); err != nil {
			return fmt.Errorf("Rlimit(%d, %d, %d): %w", l.resource, l.soft, l.hard, err)
		}
	}
	return nil
}

// watchParent waits for the end of the parent, which shows as the end of the control socket, and
// ends the child with it, or so much later.
func (c *child) watchParent(above *ParentProcess, outlive time.Duration) {
	from := &listener{control: c.control}
	for {
		kind, payload, err := readFrame(from)
		if kind == frameKeeper && err == nil {
			c.keeper.answered(c.introductionOf(from.take(), payload), false)
		}
		if err != nil {
			c.keeper.answered(introduction{-1, errNoParent}, true)
			if outlive > 0 {
				close(above.died)
				time.Sleep(outlive)
			}
			die()
		}
	}
}

// introductionOf is what the parent has answered.
func (c *child) introductionOf(fd int, why []byte) introduction {
	switch {
	case fd >= 0:
		return introduction{fd, nil}
	case len(why) == 0: // it sent one
		return introduction{-1, fmt.Errorf("the descriptor that came: %w", syscall.EMFILE)}
	}
	return introduction{-1, fmt.Errorf("the parent: %s", why)}
}

// connect is a connection to the keeper.
func (c *child) connect() (fd int, err error) {
	return c.keeper.meet(func() { c.say(frameKeeper, nil) })
}

// die ends the process at once: nobody is left to report to, and deferred functions, handlers and
// exit hooks belong to a program that has not lost its parent.
func die() {
	_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
	os.Exit(exitRefused) // the init process of a pid namespace cannot kill itself
}

// say sends a frame. There is nothing to do about an error: the parent is gone, and watchParent
// knows.
func (c *child) say(kind frameKind, payload []byte) {
	c.speaking.Lock()
	defer c.speaking.Unlock()
	_ = writeFrame(c.control, kind, payload)
}

// reportGoexit ends the process if the function ended its goroutine with runtime.Goexit, as the
// testing package's FailNow does: main will not return then, and the process would stay on for
// ever. Under a panic it does nothing; a call of recover would change what the runtime prints.
func (c *child) reportGoexit() {
	callers := make([]uintptr, 16)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for {
		frame, more := frames.Next()
		switch frame.Function {
		case "runtime.gopanic":
			return
		case "runtime.Goexit":
			c.say(frameFailed, []byte("the function called runtime.Goexit"))
			os.Exit(exitFailed)
		}
		if !more {
			return
		}
	}
}

// describeMissing says what there is in place of the function.
func describeMissing(function string) string {
	executable, err := os.Executable()
	if err != nil {
		executable = os.Args[0]
	}
	names := functions.names()
	for i, name := range names {
		names[i] = fmt.Sprintf("%q", name)
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	return fmt.Sprintf("%q (%s has %s); call Func before Main", function, executable, strings.Join(names, ", "))
}

// readAll reads a file from its start without moving its offset, which the parent shares.
func readAll(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return b, nil
}
