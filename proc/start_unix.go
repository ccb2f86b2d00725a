//go:build linux || darwin

package proc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/internal/keeper"
)

// controlDescriptor is the number of the child's control socket: the first after the standard
// streams.
const controlDescriptor = 3

// A command is a program to start, in the form of syscall.StartProcess. os/exec and os.StartProcess
// would take descriptors by File.Fd, which makes those blocking that the parent may go on using
// without a thread.
type command struct {
	path  string
	argv  []string
	env   []string
	dir   string
	files []int // of the child, by number; -1: closed
	cpus  []int // that it may run on; nil: those of the parent
	// outlives: the system does not end it with the parent.
	outlives bool
}

// start runs the named function with encoded arguments in a new process.
func start(ctx context.Context, function string, payload []byte, o *options) (*Process, error) {
	p := &Process{
		name:     o.name,
		started:  make(chan error, 1),
		heard:    make(chan struct{}),
		done:     make(chan struct{}),
		released: make(chan struct{}),
	}
	reaped, err := p.launch(ctx, payload, o)
	if err != nil {
		return nil, err
	}
	// From here on the process exists, and watch releases what belongs to it.
	go p.listen()
	go p.watch(reaped)

	if err := p.handshake(ctx, func() error { return p.greet(function, o) }); err != nil {
		_ = p.Close()
		return nil, err
	}
	if !o.parked {
		children.add(p)
	}
	return p, nil
}

// run gives a child that is parked its arguments, and has it run.
func (p *Process) run(ctx context.Context, payload []byte) error {
	err := p.handshake(ctx, func() error {
		for len(payload) > maxFrame {
			if err := p.say(frameArguments, payload[:maxFrame]); err != nil {
				return err
			}
			payload = payload[maxFrame:]
		}
		return p.say(frameRun, payload)
	})
	if err != nil {
		_ = p.Close()
		return err
	}
	children.add(p)
	return nil
}

// launch starts the program with its descriptors. Reaped is to be called when the child has been
// reaped. After an error there is no process and nothing to release.
func (p *Process) launch(ctx context.Context, payload []byte, o *options) (reaped func(), err error) {
	// The child's descriptors, as the parent holds them for the time of the start.
	var given descriptors
	defer given.close()

	defer func() {
		if err != nil {
			p.outputs.close()
		}
	}()
	o, p.tail = o.observed()
	if err := given.standard(o, &p.outputs); err != nil {
		return nil, err
	}
	control, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	given.add(theirs)
	defer func() {
		if err != nil {
			control.Close()
		}
	}()
	arguments, err := argumentFile(payload)
	if err != nil {
		return nil, fmt.Errorf("arguments of %d bytes: %w", len(payload), err)
	}
	given.add(arguments)
	for _, s := range o.segments {
		if err := given.addSegment(s); err != nil {
			return nil, fmt.Errorf("Share: %w", err)
		}
	}
	for _, f := range o.files {
		if err := given.addFile(f); err != nil {
			return nil, fmt.Errorf("Files: %s: %w", f.Name(), err)
		}
	}

	var secret cookie
	_, _ = rand.Read(secret[:]) // does not fail
	if _, err := control.Write(secret.hello()); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	c, err := newCommand(o, invitation{protocolVersion, controlDescriptor, secret})
	if err != nil {
		return nil, err
	}
	c.files, c.cpus, c.outlives = given.withoutStrays(), o.cpus, o.outlive > 0
	pid, reaped, err := spawn(ctx, c)
	if err != nil {
		return nil, err
	}
	// The child is not reaped yet, so the number is still its own. The call does not fail on the
	// systems of this file.
	p.process, _ = os.FindProcess(pid)
	p.pid = pid
	p.control = control
	p.outputs.copy()
	return reaped, nil
}

func newCommand(o *options, inv invitation) (*command, error) {
	c := &command{path: o.executable, dir: o.dir}
	var err error
	if c.path == "" {
		c.path, err = self()
		if err != nil {
			return nil, err
		}
		c.argv = []string{os.Args[0]}
	} else {
		c.argv = []string{c.path}
	}
	if c.dir != "" {
		// The system's own error would blame the executable.
		info, err := os.Stat(c.dir)
		if err == nil && !info.IsDir() {
			err = &os.PathError{Op: "chdir", Path: c.dir, Err: syscall.ENOTDIR}
		}
		if err != nil {
			return nil, err
		}
	}
	c.env = environment(os.Environ(), append(o.env[:len(o.env):len(o.env)], childVariable+"="+inv.String())...)
	return c, nil
}

// say sends the child a frame.
func (p *Process) say(kind frameKind, payload []byte) error {
	p.speaking.Lock()
	defer p.speaking.Unlock()
	return writeFrame(p.control, kind, payload)
}

// greet tells the child what to do.
func (p *Process) greet(function string, o *options) error {
	m := startMessage{
		function: function, process: o.name, parent: Current().Name, segments: len(o.segments),
		parked: o.parked, outlive: o.outlive, niced: o.niced, nice: o.nice, limits: o.limits,
		keeper: keeper.Pid(),
	}
	for _, f := range o.files {
		m.files = append(m.files, filepath.Base(f.Name()))
	}
	return p.say(frameStart, m.encode())
}

// handshake says something to the child, and waits until it answers that it is ready, or parked.
func (p *Process) handshake(ctx context.Context, say func() error) error {
	// Killing the child ends the wait, whatever it is for: the socket to take the message, or the
	// answer.
	stop := context.AfterFunc(ctx, func() { _ = p.Kill() })

	err := say()
	if err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrClosed) {
		// If the child has closed its end, listen knows why: it may have refused before it read. If watch has
		// closed this one, the child is dead, and listen has said so.
		err = <-p.started
	}
	if !stop() {
		<-p.done // killed, or as good as
		return ctx.Err()
	}
	if err == errEnded {
		// A child that merely let go of the socket still runs; one that exited has its status
		// already, and does not mind.
		_ = p.Close()
		if p.err != nil {
			return fmt.Errorf("the child ended before it was ready: %w", p.err)
		}
		return fmt.Errorf("the child ended before it was ready: %w", &ExitError{Pid: p.pid, Name: p.name})
	}
	return err
}

// errEnded stands for the end of the control socket before the child was ready.
var errEnded = errors.New("control socket ended")

// listen reads what the child says until it has no more to say.
func (p *Process) listen() {
	defer close(p.heard)
	from := newOwnReader(p.control)
	ready, parked := false, false
	for {
		kind, payload, err := readFrame(from)
		switch {
		case err != nil && !errors.Is(err, ErrProtocol):
			err = errEnded
		case err != nil:
		case kind == frameReady && !ready:
			ready = true
			p.started <- nil
		case kind == frameParked && !ready && !parked:
			parked = true
			p.started <- nil
		case kind == frameRefused && !ready:
			err = decodeRefusal(payload)
		case kind == frameKeeper:
			p.introduce()
		case kind == frameFailed && ready && p.text == "":
			p.text = string(payload)
		default:
			err = fmt.Errorf("%w: unexpected frame of kind %d", ErrProtocol, kind)
		}
		if err != nil {
			if !ready {
				p.started <- err
			}
			return
		}
	}
}

// watch reaps the child, tells of its end, and releases everything that belonged to it.
func (p *Process) watch(reaped func()) {
	state, err := reap(p.pid, p.process)
	reaped()
	patience, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	ended(p.control)
	waitFor(patience, p.heard)
	p.control.Close()
	<-p.heard
	p.outputs.end(patience)
	p.err = p.result(state, err)
	close(p.done)
	children.remove(p)
	p.outputs.finish(patience)
	close(p.released)
}

// drainTimeout bounds the time for which a child's end waits for the writers of its streams, and its release for the ends of the
// streams, of which descendants may hold copies.
const drainTimeout = time.Second

func waitFor(patience context.Context, c <-chan struct{}) {
	select {
	case <-c:
	case <-patience.Done():
	}
}

// result translates the child's status into the error of Wait.
func (p *Process) result(state *os.ProcessState, err error) error {
	if err != nil {
		// Somebody else in this program waits for any child.
		return fmt.Errorf("proc: %q (pid %d): status is lost: %w", p.name, p.pid, err)
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return &ExitError{Pid: p.pid, Name: p.name, Code: -1, Signal: status.Signal(), Text: p.text}
	case status.ExitStatus() != 0:
		return &ExitError{Pid: p.pid, Name: p.name, Code: status.ExitStatus(), Text: p.text}
	}
	return nil
}

// argumentFallback is the arguments' file where there is no memfd: a temporary one without a name.
func argumentFallback(payload []byte) (fd int, err error) {
	f, err := os.CreateTemp("", "kindred-arguments-*")
	if err != nil {
		return -1, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return -1, err
	}
	if _, err := f.Write(payload); err != nil {
		return -1, err
	}
	return duplicate(f)
}
