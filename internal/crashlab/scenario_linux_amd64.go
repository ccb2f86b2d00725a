package crashlab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// rounds is how often a scenario is played.
const rounds = 3

// TryScenario makes a lab, plays one scenario in it, and takes the lab down.
func TryScenario(o Options, sc Scenario) (Outcome, error) {
	o.net = true // of an exec nobody is told
	lab, err := New(o)
	if err != nil {
		return Outcome{}, err
	}
	defer lab.Close()
	out := Outcome{Scenario: sc.Case.Name, LimitMillis: millis(sc.limit())}
	for range rounds {
		if err := lab.scenario(sc, &out); err != nil {
			return out, err
		}
	}
	return out, lab.leaks()
}

// scenario plays it once.
func (l *Lab) scenario(sc Scenario, out *Outcome) error {
	l.serial++
	s := &stage{
		lab: l, c: &sc.Case, play: sc.Case.Play(), name: fmt.Sprintf("trial-%d", l.serial), watch: &watch{},
		memory: sc.Memory,
	}
	e := end{stage: s, how: sc.How}
	err := s.muster()
	if err == nil {
		err = e.play()
	}
	e.close()
	if left := s.strike(); err == nil && left != nil {
		err = fmt.Errorf("afterwards: %w", left)
	}
	out.Trials++
	out.ProofMillis = max(out.ProofMillis, millis(e.proven))
	out.WorstMillis = max(out.WorstMillis, millis(e.recovery))
	if err == nil && e.recovery > sc.limit() {
		err = fmt.Errorf("survivors took %v", e.recovery)
	}
	if err != nil {
		if len(out.Failures) < 5 {
			out.Failures = append(out.Failures, fmt.Sprintf("%s: %v", sc.Case.Name, err))
		}
		return l.renew()
	}
	out.Survived++
	return nil
}

// end is how a victim comes to its end, once.
type end struct {
	*stage
	how      How
	observer *shm.Segment
	pidfd    int
	child    int // between fork and exec; 0 when that is over
	proven   time.Duration
	recovery time.Duration
}

func (e *end) play() (err error) {
	e.pidfd = -1
	if e.pidfd, err = unix.PidfdOpen(e.victim.pid(), 0); err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	if e.observer, err = shm.Open(e.name, shm.Dir(e.lab.dir), shm.Observe()); err != nil {
		return err
	}
	switch e.how {
	case Executes:
		err = e.executes()
	case ChildKilled:
		err = e.childKilled()
	case ParentKilled:
		err = e.parentKilled()
	default:
		err = e.killed()
	}
	if err != nil {
		return err
	}
	v := &verdict{said: e.said}
	// Everybody goes on from here: those who waited are through.
	began := now()
	if err := e.tell(e.lab.survivors, recoverOrder); err != nil {
		return err
	}
	if err := e.gather(e.lab.survivors, v, recoverOrder, began); err != nil {
		return err
	}
	e.recovery = max(e.recovery, v.recovery)
	return e.judge(v)
}

func (e *end) close() {
	if e.child != 0 { // it is gone, but for a trial that failed
		_ = killChild(e.child)
	}
	if e.observer != nil {
		_ = e.observer.Close()
	}
	if e.pidfd >= 0 {
		_ = unix.Close(e.pidfd)
	}
}

// waited gathers what survivor 1 has waited for since before.
func (e *end) waited(proof time.Duration) error {
	v := &verdict{}
	o := *e.waits
	e.waits = nil
	a, err := e.lab.survivors[1].hear(o, patienceWithChild)
	if err != nil {
		return err
	}
	e.said = append(e.said, a.Said...)
	v.recovery = a.Ended - proof
	e.recovery = max(e.recovery, v.recovery)
	return a.refused(e.lab.survivors[1].role, o)
}

// slain sends SIGKILL and waits for the proof of the death that is pushed.
func (e *end) slain() (proof time.Duration, err error) {
	e.deaths++
	sent := now()
	if err := unix.Kill(e.victim.pid(), unix.SIGKILL); err != nil {
		return 0, err
	}
	p := []unix.PollFd{{Fd: int32(e.pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, int(patienceWithChild/time.Millisecond))
		if n == 1 {
			break
		}
		if err == nil {
			err = errors.New("the victim does not die")
		}
		if !errors.Is(err, unix.EINTR) {
			return 0, err
		}
	}
	proof = now()
	e.proven = proof - sent
	return proof, nil
}

// held reports whether the victim's slot is locked.
func (e *end) held() (bool, error) {
	all, err := e.observer.Engine().Participants()
	held := slices.ContainsFunc(all, func(p segment.Participant) bool { return p.Pid == e.victim.pid() && p.Alive })
	return held, err
}

// free waits until the victim's slot is not locked any more, the other proof, and returns when.
func (e *end) free() (time.Duration, error) {
	for begin := now(); now()-begin < patienceWithChild; pauseLab(20_000) {
		if held, err := e.held(); err != nil || !held {
			return now(), err
		}
	}
	return 0, errors.New("the victim's slot does not get free")
}

func (e *end) killed() error {
	proof, err := e.slain()
	if err != nil {
		return err
	}
	return e.waited(proof)
}

// executes: the process lives on, and holds nothing any more.
func (e *end) executes() error {
	e.deaths++
	if err := e.victim.tell(order{Act: "victim", Bound: bound}); err != nil {
		return err
	}
	proof, err := e.free()
	if err != nil {
		return err
	}
	if err := e.waited(proof); err != nil {
		return err
	}
	p := []unix.PollFd{{Fd: int32(e.pidfd), Events: unix.POLLIN}}
	if n, err := unix.Poll(p, 0); n != 0 {
		return fmt.Errorf("the process ended, instead of executing another program: %v", err)
	}
	return nil
}

// fork brings the victim to where its child has executed nothing yet, and is held there.
func (e *end) fork() (err error) {
	if e.tracer, err = seize(e.victim.pid(), e.victim.pid(), forkOptions); err != nil {
		return err
	}
	if err := e.victim.tell(order{Act: "victim", Bound: bound}); err != nil {
		return err
	}
	e.child, err = e.tracer.toFork()
	return err
}

// childKilled: what the victim holds stays its own while its child stands still and when that is dead.
func (e *end) childKilled() error {
	if err := e.fork(); err != nil {
		return err
	}
	if err := e.refused(); err != nil {
		return err
	}
	err := killChild(e.child)
	e.child = 0
	if err != nil {
		return err
	}
	o := order{Act: "victim"}
	a, err := e.victim.hear(o, patienceWithChild)
	if err == nil {
		err = a.refused(e.victim.role, o)
	}
	if err != nil {
		return err
	}
	if err := e.waited(now()); err != nil {
		return err
	}
	_, err = e.slain()
	return err
}

// refused has survivor 0 try for what the victim holds: it must not get it.
func (e *end) refused() error {
	o := order{Act: "recover", Bound: 300 * time.Millisecond, Paused: true}
	v := &verdict{}
	free := e.lab.survivors[:1]
	if err := e.tell(free, o); err != nil {
		return err
	}
	return e.gather(free, v, o, now())
}

// parentKilled: who waits is told by the push while the child still holds the slot's lock; everybody
// else goes on when it has executed its program.
func (e *end) parentKilled() error {
	if err := e.fork(); err != nil {
		return err
	}
	proof, err := e.slain()
	if err != nil {
		return err
	}
	if err := e.waited(proof); err != nil {
		return fmt.Errorf("with the child between fork and exec: %w", err)
	}
	held, err := e.held()
	if err == nil && !held {
		err = errors.New("the child does not hold the slot's lock, and nothing was tried")
	}
	if err != nil {
		return err
	}
	err = unix.PtraceDetach(e.child)
	e.child = 0
	if err != nil {
		return fmt.Errorf("let the child go on: %w", err)
	}
	_, err = e.free()
	return err
}
