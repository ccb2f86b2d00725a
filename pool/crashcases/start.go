package crashcases

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// Files by which a worker that is to be stepped from its beginning on and its parent understand each other.
const (
	armed = "armed" // the next process that comes is the one
	came  = "came"  // with its number
	begun = "begun" // it may go on
)

// A process for which the trial waits stops here, before its main function has asked whether it is a worker, and then
// comes to a mark. Its thread is that of the main function, which does all that makes a worker.
func init() {
	dir, ok := os.LookupEnv(directory)
	if !ok {
		return
	}
	segment.WithoutNet() // as the lab's own processes
	if os.Remove(dir+armed) != nil {
		return
	}
	runtime.LockOSThread()
	if os.WriteFile(dir+came+"-", []byte(strconv.Itoa(os.Getpid())), 0o600) != nil || os.Rename(dir+came+"-", dir+came) != nil {
		return
	}
	for {
		if _, err := os.Stat(dir + begun); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	crashlab.Mark()
}

// successor is a crew of which the first worker was killed, and the one that takes its place is the victim: from before
// its main function to where it waits for its first request. Call 1 waits for it meanwhile.
type successor struct {
	crew
	pid int
}

func (s *successor) start(a *crashlab.Actor) (pid, thread int, err error) {
	first, _, err := s.crew.start(a)
	if err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile(a.Scratch(armed), nil, 0o600); err != nil {
		return 0, 0, err
	}
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		return 0, 0, err
	}
	for {
		text, err := os.ReadFile(a.Scratch(came))
		if err == nil {
			s.pid, err = strconv.Atoi(string(text))
			return s.pid, s.pid, err
		}
		if err := a.Nap(); err != nil {
			return 0, 0, err
		}
	}
}

func (s *successor) begin(a *crashlab.Actor) error {
	s.call(1)
	return os.WriteFile(a.Scratch(begun), nil, 0o600)
}

// ready waits until the victim is one of the pool's.
func (s *successor) ready(a *crashlab.Actor) error {
	for !slices.Contains(s.started(), s.pid) {
		if err := a.Nap(); err != nil {
			return err
		}
	}
	return nil
}

var errReaped = errors.New("the worker that was started is gone")

// hear waits until the parent has seen to what is left of the victim.
func (s *successor) hear(a *crashlab.Actor) error {
	if a.N != 0 {
		return nil // the others have no part in it
	}
	for !errors.Is(syscall.Kill(s.pid, 0), syscall.ESRCH) {
		if err := a.Nap(); err != nil {
			return err
		}
	}
	a.Died(errReaped, errReaped)
	return nil
}

// The states of a start.
var startStates = []string{"not ready", "ready"}

func (s *successor) check(a *crashlab.Actor) (string, error) {
	p := s.calls[1]
	select {
	case <-p.done:
	case <-a.Ctx.Done():
		return "", fmt.Errorf("call 1: %w", a.Ctx.Err())
	}
	reached := 0
	if slices.Contains(s.started(), s.pid) {
		reached = 1
	}
	lost, err := died(p, 1)
	if err == nil && !lost {
		err = s.right(p, 1)
	}
	if err == nil && lost && reached == 0 {
		err = fmt.Errorf("by a worker that was not ready: %w", p.err)
	}
	if err != nil {
		return "", fmt.Errorf("call 1: %w", err)
	}
	times, err := noted(a, "1")
	if err != nil {
		return "", err
	}
	if times > 1 || times == 0 && !lost {
		return "", fmt.Errorf("call 1 was begun %d times", times)
	}
	next, err := echo.Call(a.Ctx, s.pool, s.job(3))
	if err != nil || next.N != 3 {
		return "", fmt.Errorf("the next call: %d, %w", next.N, err)
	}
	if n := len(s.started()); n != 2+reached {
		return "", fmt.Errorf("%d workers were ready, the one that was killed %q", n, startStates[reached])
	}
	return startStates[reached], s.gone(a)
}

func startCases() []crashlab.Case {
	return []crashlab.Case{{
		Name:   "pool.New, a worker dies when it takes another one's place",
		Covers: []string{"pool.New"},
		States: startStates,
		Long:   true,
		Play: func() crashlab.Play {
			s := &successor{crew: crew{task: echo}}
			return crashlab.Play{
				Bare: true, Rests: true, Patience: 200 * time.Millisecond,
				Foreign: s.start, Victim: s.begin, Unblock: s.ready, Finish: s.ready,
				Recover: s.hear, Check: s.check, Leave: s.leave,
			}
		},
	}}
}
