package crashlab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tracer has hold of a process: of one thread that it steps, and of all others, which stand still
// meanwhile. All of its methods belong to one thread, the one that attached.
type tracer struct {
	pid, thread int
	stopped     map[int]bool // threads, and whether each stands still
	frozen      bool         // new threads stay where they are
	end         uint64       // the address of the trap
	status      unix.WaitStatus
	gone        bool // the whole process
	// called is set behind a system call. One that a signal interrupted is begun again by the step that
	// follows, and may sleep in it, wherever the thread was to be seen before.
	called bool
	vdso   span
}

// span is a range of addresses.
type span struct{ begin, end uint64 }

func (s span) holds(pc uint64) bool { return s.begin <= pc && pc < s.end }

// vdsoOf is where the code is that the kernel has put into a process.
func vdsoOf(pid int) (s span, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(line, "[vdso]\n") {
			_, err = fmt.Sscanf(line, "%x-%x", &s.begin, &s.end)
		}
	}
	return s, err
}

// __WNOTHREAD: what other threads of the lab started does not concern this one.
const waitOwn = unix.WALL | unix.WNOTHREAD

const traceOptions = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD

var errGone = errors.New("the process is gone")

// seize attaches to every thread of the process. They run on. With an error it returns those that it has hold of, if any: nobody
// can wait for the process until they are killed, or let go.
func seize(pid, thread int, options uintptr) (*tracer, error) {
	vdso, err := vdsoOf(pid)
	if err != nil {
		return nil, err
	}
	t := &tracer{pid: pid, thread: thread, stopped: make(map[int]bool), vdso: vdso}
	// A thread that was made meanwhile, by one that was not attached yet, is found in another round.
	for found := true; found; {
		found = false
		all, err := threads(pid)
		if err != nil {
			return t, err
		}
		for _, id := range all {
			if _, known := t.stopped[id]; known {
				continue
			}
			err := ptrace(unix.PTRACE_SEIZE, id, 0, options)
			switch {
			case errors.Is(err, unix.EPERM) && statusOf(pid, id).tracer() == unix.Gettid():
				// An attached thread has made it meanwhile, and it came with that.
			case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EPERM) && statusOf(pid, id).ended():
				continue
			case err != nil:
				return t, fmt.Errorf("attach to thread %d of %d: %w", id, pid, err)
			}
			t.stopped[id] = false
			found = true
		}
	}
	return t, nil
}

func threads(pid int) ([]int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, err
	}
	var all []int
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, id)
		}
	}
	return all, nil
}

// toMark lets the process run until its thread has come to the first mark, and stops all others.
func (t *tracer) toMark() error {
	for {
		status, err := t.await(0)
		if err != nil {
			return err
		}
		if status.StopSignal() == unix.SIGTRAP && status.TrapCause() == 0 {
			break
		}
		if err := t.deliver(status); err != nil {
			return err
		}
	}
	regs, err := t.registers()
	if err != nil {
		return err
	}
	t.end = regs.Rip - 1
	hurry(t.thread, true)
	return t.freeze()
}

// await returns when the thread stops, for whatever reason. What happens to others is seen to
// meanwhile. With WNOHANG it returns a status of -1 if the thread has not stopped.
func (t *tracer) await(flags int) (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		id, err := unix.Wait4(-1, &status, waitOwn|flags, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			t.gone = true
			return 0, errGone
		case err != nil:
			return 0, fmt.Errorf("wait4: %w", err)
		case id == 0:
			return ^unix.WaitStatus(0), nil
		}
		if status.Exited() || status.Signaled() {
			delete(t.stopped, id)
			if id == t.pid {
				t.gone, t.status = true, status
				return status, errGone
			}
			continue
		}
		t.stopped[id] = true
		if id == t.thread {
			return status, nil
		}
		if err := t.other(id, status); err != nil {
			return 0, err
		}
	}
}

// other sees to a stop of a thread that is not stepped.
func (t *tracer) other(id int, status unix.WaitStatus) error {
	if t.frozen {
		return nil // its event is lost, but for the signals that only the runtime sends
	}
	sig := 0
	if status.StopSignal() != unix.SIGTRAP && status.StopSignal() != unix.SIGURG && status>>16 == 0 {
		sig = int(status.StopSignal())
	}
	return t.run(id, unix.PTRACE_CONT, sig)
}

func (t *tracer) run(id, how, sig int) error {
	t.stopped[id] = false
	err := ptrace(how, id, 0, uintptr(sig))
	if errors.Is(err, unix.ESRCH) {
		return nil // it is on its way out
	}
	return err
}

// deliver lets the thread go on with the signal that stopped it; the runtime's preemption, and what
// only ptrace brings about, is swallowed.
func (t *tracer) deliver(status unix.WaitStatus) error {
	sig := 0
	if s := status.StopSignal(); status>>16 == 0 && s != unix.SIGURG && s != unix.SIGTRAP {
		if s == unix.SIGSEGV || s == unix.SIGBUS || s == unix.SIGILL || s == unix.SIGABRT {
			return fmt.Errorf("the victim got %v at %s", s, t.place())
		}
		sig = int(s)
	}
	return t.run(t.thread, unix.PTRACE_CONT, sig)
}

// freeze stops all threads but the one that is stepped.
func (t *tracer) freeze() error {
	t.frozen = true
	for id, stopped := range t.stopped {
		if stopped || id == t.thread {
			continue
		}
		if err := ptrace(unix.PTRACE_INTERRUPT, id, 0, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	for id, stopped := range t.stopped {
		if !stopped && id != t.thread {
			t.still(id)
		}
	}
	return t.newcomers()
}

// newcomers finds the threads that were made by attached ones, and whose first stop nobody has seen yet. All others
// stand still, so that there are no more of them behind it.
func (t *tracer) newcomers() error {
	for found := true; found; {
		found = false
		all, err := threads(t.pid)
		if err != nil {
			return err
		}
		for _, id := range all {
			if _, known := t.stopped[id]; !known && id != t.thread && t.still(id) {
				found = true
			}
		}
	}
	return nil
}

// still returns when the thread stands still, and reports whether it does: it may have come to its end instead.
func (t *tracer) still(id int) bool {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(id, &status, waitOwn, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || status.Exited() || status.Signaled() {
			delete(t.stopped, id)
			return false
		}
		t.stopped[id] = true
		return true
	}
}

// thaw lets all other threads run.
func (t *tracer) thaw() error {
	t.frozen = false
	for id, stopped := range t.stopped {
		if stopped && id != t.thread {
			if err := t.run(id, unix.PTRACE_CONT, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// step is what came of one instruction.
type step int

const (
	stepped step = iota
	asleep       // it is a system call, and sleeps; await ends it
)

// patience is how long a system call may take until it counts as one that sleeps.
const patience = 2 * time.Millisecond

// step executes one instruction. Signals for the runtime are swallowed and do not count.
func (t *tracer) step(call bool) (step, error) {
	mayCall := call || t.called
	t.called = call
	for {
		if err := t.run(t.thread, unix.PTRACE_SINGLESTEP, 0); err != nil {
			return 0, err
		}
		status, slept, err := t.settle(mayCall)
		if err != nil {
			return 0, err
		}
		if slept {
			t.called = true
			return asleep, nil
		}
		again, err := t.over(status)
		mayCall = mayCall || again
		if !again || err != nil {
			return stepped, err
		}
	}
}

// over looks at what ended a step, and reports whether the step has to be taken again.
func (t *tracer) over(status unix.WaitStatus) (again bool, err error) {
	switch s := status.StopSignal(); {
	case s == unix.SIGTRAP && status.TrapCause() == unix.PTRACE_EVENT_CLONE:
		return true, nil // the step that began the clone ends behind it
	case s == unix.SIGTRAP, s == callStop:
		return false, nil
	case s == unix.SIGURG, s == unix.SIGCHLD:
		return true, nil // nothing that Go programs of the lab look at
	default:
		return false, fmt.Errorf("the victim got %v at %s", s, t.place())
	}
}

// hop lets the thread, which has just come into the vDSO, run to where that returns to. It reads the time there, again and
// again until the kernel has not written it meanwhile; the kernel does so at every tick, and one who is stepped on a busy
// machine would not come to an end.
func (t *tracer) hop() error {
	regs, err := t.registers()
	if err != nil {
		return err
	}
	var to [1]uint64
	if !t.peek(regs.Rsp, to[:]) {
		return errors.New("a thread in the vDSO has no stack")
	}
	var there [1]byte
	at := uintptr(to[0])
	if _, err := unix.PtracePeekText(t.thread, at, there[:]); err != nil {
		return err
	}
	if _, err := unix.PtracePokeText(t.thread, at, []byte{breakpoint}); err != nil {
		return err
	}
	for again := true; again; {
		if err := t.run(t.thread, unix.PTRACE_CONT, 0); err != nil {
			return err
		}
		status, err := t.await(0)
		if err != nil {
			return err
		}
		if again, err = t.over(status); err != nil {
			return err
		}
	}
	if _, err := unix.PtracePokeText(t.thread, at, there[:]); err != nil {
		return err
	}
	if regs, err = t.registers(); err != nil {
		return err
	}
	if regs.Rip != to[0]+1 {
		return fmt.Errorf("the vDSO returned to %#x, and not to %#x", regs.Rip, to[0])
	}
	regs.Rip--
	return unix.PtraceSetRegsAmd64(t.thread, &regs)
}

// breakpoint is the instruction int3.
const breakpoint = 0xcc

// callStop is the signal of a stop at the beginning or the end of a system call.
const callStop = unix.SIGTRAP | 0x80

// errOtherWay says that the operation ended before a system call that it made the first time.
var errOtherWay = errors.New("the operation went another way than the first time")

// nextCall lets the thread run up to behind its next system call. It reports whether it sleeps in it
// instead; awaken ends that.
func (t *tracer) nextCall() (slept bool, err error) {
	t.called = true
	for stops := 0; stops < 2; {
		if err := t.run(t.thread, unix.PTRACE_SYSCALL, 0); err != nil {
			return false, err
		}
		status, slept, err := t.settle(stops == 1)
		if slept || err != nil {
			return slept, err
		}
		switch s := status.StopSignal(); {
		case s == callStop:
			stops++
		case s == unix.SIGTRAP && status.TrapCause() == 0:
			return false, errOtherWay
		case s != unix.SIGURG && s != unix.SIGCHLD && s != unix.SIGTRAP:
			return false, fmt.Errorf("the victim got %v at %s", s, t.place())
		}
	}
	return false, nil
}

func (t *tracer) settle(call bool) (status unix.WaitStatus, slept bool, err error) {
	if !call {
		status, err = t.await(0)
		return status, false, err
	}
	for begin := time.Now(); ; {
		status, err = t.await(unix.WNOHANG)
		if err != nil || status != ^unix.WaitStatus(0) {
			return status, false, err
		}
		if time.Since(begin) > patience && statusOf(t.pid, t.thread).sleeps() {
			return 0, true, nil
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 20_000}, nil)
	}
}

// awaken waits, for at most that long, until the call that sleeps has ended, with all other threads
// running. It reports whether it has.
func (t *tracer) awaken(d time.Duration) (bool, error) {
	for begin := time.Now(); time.Since(begin) < d; {
		status, err := t.await(unix.WNOHANG)
		if err != nil {
			return false, err
		}
		if status != ^unix.WaitStatus(0) {
			again, err := t.over(status)
			if err != nil {
				return false, err
			}
			if again {
				if err := t.run(t.thread, unix.PTRACE_SINGLESTEP, 0); err != nil {
					return false, err
				}
				continue
			}
			return true, nil
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 50_000}, nil)
	}
	return false, nil
}

// kill sends SIGKILL and returns when the process is gone, with the time at which it was.
func (t *tracer) kill() (time.Duration, error) {
	if err := unix.Kill(t.pid, unix.SIGKILL); err != nil {
		return 0, err
	}
	return t.reap()
}

func (t *tracer) reap() (time.Duration, error) {
	for !t.gone {
		if _, err := t.await(0); err != nil && !errors.Is(err, errGone) {
			return 0, err
		}
		// A thread that reports its exit, or another stop, is let go on to its end.
		for id, stopped := range t.stopped {
			if stopped {
				_ = t.run(id, unix.PTRACE_CONT, 0)
			}
		}
	}
	return now(), nil
}

// release lets the process, all of whose threads stand still, go on by itself. A stop signal that was sent meanwhile takes
// effect.
func (t *tracer) release() error {
	for id := range t.stopped {
		if err := unix.PtraceDetach(id); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	t.gone = true // to the lab
	return nil
}

func (t *tracer) registers() (unix.PtraceRegsAmd64, error) {
	var regs unix.PtraceRegsAmd64
	err := unix.PtraceGetRegsAmd64(t.thread, &regs)
	return regs, err
}

// pc is where the thread is.
func (t *tracer) pc() (uint64, error) {
	const rip = 16 * 8 // in the kernel's struct user
	return peekUser(t.thread, rip)
}

// free lets the process go on by itself, to the end of the operation and beyond.
func (t *tracer) free() error {
	if err := t.freeze(); err != nil {
		return err
	}
	if err := t.loosen(); err != nil {
		return err
	}
	regs, err := t.registers()
	if err != nil {
		return err
	}
	if regs.Rip == t.end {
		regs.Rip++ // behind the trap
		if err := unix.PtraceSetRegsAmd64(t.thread, &regs); err != nil {
			return err
		}
	}
	hurry(t.thread, false)
	return t.release()
}
