package crashlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a child of the lab.
type process struct {
	role string
	cmd  *exec.Cmd
	wire *wire
	in   interface{ SetReadDeadline(time.Time) error }
	errs *tail
}

// tail keeps the first lines of what a child writes to its standard error.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 4096 - t.buf.Len(); room > 0 {
		t.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.buf.String())
}

// spawner starts all children from one thread, which lives as long as the lab: they die with it. It is
// not the tracer's: that one waits for whatever it attached to, and for nothing else.
type spawner struct {
	requests chan func()
	kind     string // of children: the childVariable
}

func newSpawner(kind string) *spawner {
	s := &spawner{requests: make(chan func()), kind: kind}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for f := range s.requests {
			f()
		}
	}()
	return s
}

func (s *spawner) stop() { close(s.requests) }

// victimEnv makes the count of a victim's steps repeat.
var victimEnv = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1"}

// start runs this program as a child, confined to one CPU if cpu is not negative.
func (s *spawner) start(role string, cpu int, env ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	orders, toChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer orders.Close()
	fromChild, answers, err := os.Pipe()
	if err != nil {
		toChild.Close()
		return nil, err
	}
	defer answers.Close()
	p := &process{role: role, wire: newWire(fromChild, toChild), in: fromChild, errs: &tail{}}
	p.cmd = exec.Command(exe)
	p.cmd.Env = append(append(os.Environ(), childVariable+"="+s.kind), env...)
	p.cmd.ExtraFiles = []*os.File{orders, answers} // ordersFd, answersFd
	p.cmd.Stderr = p.errs
	p.cmd.WaitDelay = time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan error)
	s.requests <- func() { done <- confined(cpu, p.cmd.Start) }
	if err := <-done; err != nil {
		p.wire.close()
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return p, nil
}

// confined calls f with the thread on one CPU.
func confined(cpu int, f func() error) error {
	if cpu < 0 {
		return f()
	}
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return f()
}

// firstCPU is one that this process may use.
func firstCPU() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, err
	}
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			return cpu, nil
		}
	}
	return 0, errors.New("no CPU to run on")
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) tell(o order) error {
	if err := p.wire.enc.Encode(o); err != nil {
		return p.trouble(o, err)
	}
	return nil
}

// hear waits for an answer, for at most d.
func (p *process) hear(o order, d time.Duration) (answer, error) {
	if err := p.in.SetReadDeadline(time.Now().Add(d)); err != nil {
		return answer{}, err
	}
	a, err := p.wire.answered()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("no answer within %v: it hangs", d)
	}
	if err != nil {
		return a, p.trouble(o, err)
	}
	return a, nil
}

func (p *process) trouble(o order, err error) error {
	what := strings.TrimSpace(o.Act + " " + o.Part)
	if errors.Is(err, io.EOF) {
		_ = p.cmd.Wait() // it has ended, and behind this all that it said is there
	}
	if said := p.errs.String(); said != "" {
		return fmt.Errorf("%s, %s: %w; it said: %s", p.role, what, err, said)
	}
	return fmt.Errorf("%s, %s: %w", p.role, what, err)
}

// ask has an order carried out; an error of the child's is one.
func (p *process) ask(o order) (answer, error) {
	if err := p.tell(o); err != nil {
		return answer{}, err
	}
	patience := patienceWithChild
	if o.Memory > 0 {
		patience = patienceWithMemory
	}
	a, err := p.hear(o, patience)
	if err != nil {
		return a, err
	}
	return a, a.refused(p.role, o)
}

// patienceWithChild is when a child counts as one that hangs. It is generous: the machine may be busy.
const patienceWithChild = 20 * time.Second

// patienceWithMemory is the same for a child that fills memory: how long the system takes to find a gigabyte is not ours.
const patienceWithMemory = 2 * time.Minute

// end kills the process if it still is there, and leaves nothing of it.
func (p *process) end() {
	p.wire.close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // whoever traced it may have had its status already
}
