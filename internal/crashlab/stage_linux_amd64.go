package crashlab

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/shm"
)

// stage is one trial's segment and processes, from the set-up to the verdict.
type stage struct {
	lab    *Lab
	c      *Case
	play   Play // to see which parts there are
	name   string
	victim *process
	tracer *tracer
	watch  *watch
	// waits is the order that survivor 1 carries out since before the operation.
	waits   *order
	unblock bool     // has been called
	deaths  int      // so far
	memory  int      // of the victim's own, in bytes
	said    []string // before the last recover
	stormy  bool     // several were at work: no state of one operation
}

// set makes everything ready, up to the victim's mark.
func (l *Lab) set(c *Case) (*stage, error) {
	l.serial++
	s := &stage{lab: l, c: c, play: c.Play(), name: fmt.Sprintf("trial-%d", l.serial), watch: &watch{}}
	if err := s.raise(); err != nil {
		s.strike()
		return nil, err
	}
	return s, nil
}

func (s *stage) raise() error {
	if err := s.muster(); err != nil || s.tracer != nil { // a foreign one is held already
		return err
	}
	return s.hold("victim")
}

// muster has everybody in place, with s.memory bytes of its own for the victim.
func (s *stage) muster() error {
	for i, p := range s.lab.survivors {
		if err := s.enter(p, i); err != nil {
			return err
		}
	}
	if s.play.Foreign != nil {
		return s.adopt()
	}
	if !s.play.Bare {
		w, err := watchSegment(s.lab.dir, s.name)
		if err != nil {
			return err
		}
		s.watch = w
	}
	var err error
	if s.victim, err = s.lab.victim(); err != nil {
		return err
	}
	if s.memory > 0 {
		if _, err := s.victim.ask(order{Act: actBallast, Memory: s.memory}); err != nil {
			return err
		}
	}
	if err := s.enter(s.victim, -1); err != nil {
		return err
	}
	if _, err := s.victim.ask(order{Act: "ready", Bound: bound}); err != nil {
		return err
	}
	if s.play.Bare {
		w, err := watchAnonymous(s.victim.pid())
		if err != nil {
			return err
		}
		s.watch = w
	}
	return s.wait()
}

// bound is how long an operation of a survivor may take until its context ends: far more than what
// is promised, so that a busy machine makes it late and not wrong.
const bound = 10 * time.Second

// forever is the bound of what ends by something that somebody else does: he may be stepped meanwhile, which takes as
// long as it takes. The lab hears it if it does not end (patienceWithChild).
const forever = time.Hour

// enter brings a process to where its part begins.
func (s *stage) enter(p *process, n int) error {
	o := order{Act: actBegin, Case: s.c.Name, N: n, Dir: s.lab.dir, Name: s.name}
	if _, err := p.ask(o); err != nil {
		return err
	}
	acts := []string{actAttach, "open"}
	switch {
	case s.play.Bare, n < 0 && s.play.Detached:
		acts = nil
	case n == 0:
		acts = []string{actCreate, "setup", "open"}
	}
	if s.play.Bare && n == 0 {
		acts = []string{"setup"}
	}
	for _, act := range acts {
		if _, err := p.ask(order{Act: act, Bound: bound}); err != nil {
			return err
		}
	}
	return nil
}

// wait begins survivor 1's wait, and returns when it sleeps.
func (s *stage) wait() error {
	if s.play.Wait == nil {
		return nil
	}
	p := s.lab.survivors[1]
	o := order{Act: "wait", Bound: forever}
	if err := p.tell(o); err != nil {
		return err
	}
	s.waits = &o
	return asleepOnFutex(p.pid())
}

// hold attaches to the victim, and brings its thread to the mark before the operation.
func (s *stage) hold(part string) error {
	o := order{Act: actOperate, Part: part, Bound: forever}
	a, err := s.victim.ask(o)
	if err != nil {
		return err
	}
	if s.tracer, err = seize(s.victim.pid(), a.Thread, traceOptions); err != nil {
		return err
	}
	if err := s.victim.tell(order{Act: actGo}); err != nil {
		return err
	}
	if err := s.tracer.toMark(); err != nil {
		return s.victim.trouble(o, err)
	}
	s.watch.begin()
	return nil
}

// slay kills the victim where it is, and returns the time at which it was gone.
func (s *stage) slay() (time.Duration, error) {
	s.deaths++
	return s.tracer.kill()
}

// bury kills a victim that runs by itself.
func (s *stage) bury() {
	s.deaths++
	if s.victim == nil {
		s.buryForeign()
		return
	}
	s.victim.end()
}

// strike takes the stage down, and says what should not have been left.
func (s *stage) strike() error {
	s.watch.close()
	if s.tracer != nil && !s.tracer.gone {
		_, _ = s.tracer.kill()
	}
	if s.victim != nil {
		s.victim.end()
	}
	var first error
	if s.waits != nil { // the trial was given up, and what he waits for may never come
		first = s.lab.replace(1)
	}
	for _, p := range s.lab.survivors {
		if _, err := p.ask(order{Act: actLeave}); err != nil && first == nil {
			first = err
		}
	}
	s.clean()
	if first != nil {
		return first
	}
	return s.lab.sweepUp()
}

// clean removes what the case wrote down.
func (s *stage) clean() {
	all, _ := filepath.Glob(filepath.Join(s.lab.dir, scratchOf(s.name)+"*"))
	for _, path := range all {
		_ = os.Remove(path)
	}
}

// sweepUp empties the directory of segments. In it there must be segments alone.
func (l *Lab) sweepUp() error {
	left, err := l.collect()
	// A probe of a survivor's that is under way when he closes the segment keeps the description of his
	// locks, and with it his slot's byte, for as long as the probe takes.
	for begin := time.Now(); err == nil && len(left) > 0 && time.Since(begin) < time.Second; {
		pauseLab(int64(time.Millisecond))
		left, err = l.collect()
	}
	if err != nil {
		return err
	}
	for _, e := range left {
		_ = os.RemoveAll(filepath.Join(l.dir, e.Name()))
	}
	if len(left) > 0 {
		return fmt.Errorf("left behind: %s", left[0].Name())
	}
	return nil
}

// collect removes the segments that nobody uses, and returns what there is besides.
func (l *Lab) collect() ([]os.DirEntry, error) {
	if _, err := shm.Collect(shm.Dir(l.dir)); err != nil {
		return nil, err
	}
	return os.ReadDir(l.dir)
}

// asleepOnFutex returns when some thread of the process sleeps on a word of shared memory, and for long: the brief
// sleep that comes first, which may have no time-out in the kernel, ends by itself, and would hide that nobody ends it. A hub's
// has none, either, when all is quiet, so one that lasts is long as well.
func asleepOnFutex(pid int) error {
	const (
		private = 128
		lasts   = 20 * time.Millisecond
	)
	type sleep struct {
		thread    int
		word, val uint64
	}
	since := make(map[sleep]time.Time)
	for begin := time.Now(); time.Since(begin) < patienceWithChild; {
		all, err := threads(pid)
		if err != nil {
			return err
		}
		for _, id := range all {
			var call, word, op, val, timeout uint64
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, id))
			if err != nil {
				continue
			}
			if n, _ := fmt.Sscanf(string(text), "%d 0x%x 0x%x 0x%x 0x%x", &call, &word, &op, &val, &timeout); n != 5 {
				continue
			}
			if call != unix.SYS_FUTEX || op&private != 0 {
				continue
			}
			s := sleep{id, word, val}
			if since[s].IsZero() {
				since[s] = time.Now()
			}
			if timeout != 0 || time.Since(since[s]) >= lasts {
				return nil
			}
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 100_000}, nil)
	}
	return fmt.Errorf("the waiter of process %d does not sleep", pid)
}
