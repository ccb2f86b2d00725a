package crashlab

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// point is a place between two instructions: so many were executed. If asleep, the next one is a system
// call, and sleeps.
type point struct {
	steps  int
	asleep bool
}

func (p point) String() string {
	if p.asleep {
		return fmt.Sprintf("%dz", p.steps)
	}
	return fmt.Sprint(p.steps)
}

// parsePoint reads what String wrote.
func parsePoint(s string) (point, error) {
	digits, asleep := strings.CutSuffix(s, "z")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return point{}, fmt.Errorf("%q is no number of steps", s)
	}
	return point{n, asleep}, nil
}

func (p point) before(q point) bool {
	return p.steps < q.steps || p.steps == q.steps && !p.asleep && q.asleep
}

// path is what a walk through an operation met.
type path struct {
	steps  int              // how many instructions it has
	points []point          // where a death leaves another world behind than one before
	places map[point]uint64 // the instruction at each of them
	calls  []int            // the numbers of steps before each system call
	states int              // distinct contents of the segment
}

// most is how many instructions an operation may have.
const most = 2_000_000

var (
	errLong = fmt.Errorf("the operation has more than %d instructions", most)
	errSlow = fmt.Errorf("the operation takes longer than %v to step through: it is too long, or the machine too busy", longest)
)

// walk executes the operation up to the point, or to its end if there is none, and reports whether the
// operation's end came first. If it has been there before, known says which system calls are on the way:
// the thread runs from one to the next, and is stepped behind the last.
func (s *stage) walk(t *tracer, to *point, known *path) (*path, bool, error) {
	p := &path{places: make(map[point]uint64)}
	if to != nil && known != nil {
		err := s.forward(t, p, to.steps, known)
		if errors.Is(err, errRests) {
			return p, true, nil
		}
		if err != nil {
			return p, false, err
		}
	}
	for began := time.Now(); p.steps < most; p.steps++ {
		pc, err := t.pc()
		if err != nil {
			return p, false, err
		}
		if pc == t.end {
			p.states = len(s.watch.hash)
			return p, true, nil
		}
		if to != nil && !to.asleep && p.steps == to.steps {
			p.places[*to] = pc
			return p, false, nil
		}
		if p.steps == 0 || len(p.points) > 0 && p.points[len(p.points)-1].steps == p.steps {
			p.add(point{steps: p.steps}, pc)
		}
		there, err := s.pass(t, p, pc, to)
		if errors.Is(err, errRests) {
			p.steps++
			p.states = len(s.watch.hash)
			return p, true, nil
		}
		if there || err != nil {
			return p, false, err
		}
		if p.steps%1000 == 0 && time.Since(began) > longest {
			return p, false, fmt.Errorf("%w; %d steps, at %s", errSlow, p.steps, t.place())
		}
	}
	return p, false, errLong
}

// pass executes the instruction at pc, notes what it does, and reports whether the point is there: asleep
// in it.
func (s *stage) pass(t *tracer, p *path, pc uint64, to *point) (there bool, err error) {
	if t.vdso.holds(pc) {
		return false, t.hop()
	}
	call := isCall(pc)
	if call {
		p.calls = append(p.calls, p.steps)
	}
	how, err := t.step(call)
	if err != nil {
		return false, err
	}
	if how == asleep {
		p.add(point{steps: p.steps}, pc)
		p.add(point{p.steps, true}, pc)
		if to != nil && to.asleep && p.steps == to.steps {
			return true, nil
		}
		if err := s.rouse(t); err != nil {
			return false, err
		}
	}
	if changed := s.watch.changed(); changed || call {
		p.add(point{steps: p.steps}, pc)
		p.add(point{steps: p.steps + 1}, 0) // its place is noted when the walk comes there
	}
	return false, nil
}

// add notes a point, once.
func (p *path) add(q point, pc uint64) {
	if n := len(p.points); n == 0 || p.points[n-1].before(q) {
		p.points = append(p.points, q)
	}
	if pc != 0 {
		p.places[q] = pc
	}
}

// forward lets the thread run up to behind the last system call before that number of steps.
func (s *stage) forward(t *tracer, p *path, steps int, known *path) error {
	for _, at := range known.calls {
		if at >= steps {
			return nil
		}
		slept, err := t.nextCall()
		if err != nil {
			return err
		}
		if slept {
			if err := s.rouse(t); err != nil {
				return err
			}
		}
		p.steps = at + 1
		s.watch.changed()
	}
	return nil
}

// longest is how long a walk may take.
const longest = 3 * time.Minute

// selfHelp is how long a sleep may last that ends by itself: a first, short one.
const selfHelp = 20 * time.Millisecond

// errRests says that the thread sleeps where the operation ends: see Play.Rests.
var errRests = errors.New("the operation rests")

// rouse sees to it that the thread, which sleeps in a system call, goes on.
func (s *stage) rouse(t *tracer) error {
	if err := t.thaw(); err != nil {
		return err
	}
	woken, rest := false, rest{pid: t.pid, thread: t.thread}
	var err error
	for began := time.Now(); !woken && !rest.lasts(s.patience()) && time.Since(began) < bound; {
		if woken, err = t.awaken(time.Millisecond); err != nil {
			return err
		}
	}
	if !woken && s.play.Unblock != nil && !s.unblock {
		if err := s.unblocks(); err != nil {
			return err
		}
	}
	if !woken && s.play.Rests {
		return errRests
	}
	if !woken {
		if woken, err = t.awaken(bound); err != nil {
			return err
		}
	}
	if !woken {
		return errors.New("the operation sleeps for ever, at " + t.place())
	}
	return t.freeze()
}

// rest is how long a thread that is not stepped has slept at a stretch.
type rest struct {
	pid, thread int
	switches    string // of the thread to another one and back, until now
	since       time.Time
}

// lasts reports whether the thread has slept for that long, and no other thread of its process is about to go on, and may
// be about to end that: on a busy machine they are late. The runtime puts threads to sleep, too.
func (r *rest) lasts(d time.Duration) bool {
	thread := statusOf(r.pid, r.thread)
	if switches := thread.switches(); !thread.sleeps() || switches != r.switches {
		r.switches, r.since = switches, time.Now()
		return false
	}
	if time.Since(r.since) < d {
		return false
	}
	all, err := threads(r.pid)
	if err != nil {
		return false
	}
	for _, id := range all {
		if !statusOf(r.pid, id).sleeps() {
			return false
		}
	}
	return true
}

// patience is how long the victim may sleep until somebody ends that.
func (s *stage) patience() time.Duration {
	if p := s.play.Patience; p != 0 {
		return p
	}
	return selfHelp
}

// unblocks has survivor 0 end the victim's sleep.
func (s *stage) unblocks() error {
	s.unblock = true
	_, err := s.lab.survivors[0].ask(order{Act: "unblock", Bound: bound})
	return err
}

// finish lets the operation go on to its end by itself, and returns what came of it.
func (s *stage) finish(p *process, t *tracer, part string) error {
	if p == nil {
		return nil // a foreign victim dies at its second mark
	}
	if err := t.free(); err != nil {
		return err
	}
	o := order{Act: actOperate, Part: part}
	a, err := p.hear(o, patienceWithChild)
	if err != nil {
		return err
	}
	return a.refused(p.role, o)
}
