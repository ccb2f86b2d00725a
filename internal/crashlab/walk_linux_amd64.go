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
	steps   int     // how many instructions it has
	points  []point // where a death leaves another world behind than one before
	changes []int   // the points' numbers of steps behind which the segment had changed
	states  int     // distinct contents of the segment
}

// changesUpTo counts the changes within the first n steps.
func (p *path) changesUpTo(n int) int {
	i := 0
	for i < len(p.changes) && p.changes[i] <= n {
		i++
	}
	return i
}

// most is how many instructions an operation may have.
const most = 2_000_000

var errLong = fmt.Errorf("the operation has more than %d instructions", most)

// walk executes the operation up to the point, or to its end if there is none, and reports whether the
// operation's end came first.
func (s *stage) walk(t *tracer, to *point) (*path, bool, error) {
	p := &path{}
	add := func(q point) {
		if len(p.points) == 0 || p.points[len(p.points)-1].before(q) {
			p.points = append(p.points, q)
		}
	}
	for ; p.steps < most; p.steps++ {
		pc, err := t.pc()
		if err != nil {
			return p, false, err
		}
		if pc == t.end {
			p.states = len(s.watch.hash)
			return p, true, nil
		}
		if to != nil && !to.asleep && p.steps == to.steps {
			return p, false, nil
		}
		call := isCall(pc)
		if call || p.steps == 0 {
			add(point{steps: p.steps})
		}
		how, err := t.step(call)
		if err != nil {
			return p, false, err
		}
		if how == asleep {
			add(point{p.steps, true})
			if to != nil && to.asleep && p.steps == to.steps {
				return p, false, nil
			}
			if err := s.rouse(t); err != nil {
				return p, false, err
			}
		}
		if s.watch.changed() {
			p.changes = append(p.changes, p.steps+1)
			add(point{steps: p.steps})
			add(point{steps: p.steps + 1})
		} else if call {
			add(point{steps: p.steps + 1})
		}
	}
	return p, false, errLong
}

// selfHelp is how long a sleep may last that ends by itself: a first, short one.
const selfHelp = 20 * time.Millisecond

// rouse sees to it that the thread, which sleeps in a system call, goes on.
func (s *stage) rouse(t *tracer) error {
	if err := t.thaw(); err != nil {
		return err
	}
	woken, err := t.awaken(selfHelp)
	if err != nil {
		return err
	}
	if !woken && s.play.Unblock != nil && !s.unblock {
		s.unblock = true
		if _, err := s.lab.survivors[0].ask(order{Act: "unblock", Bound: bound}); err != nil {
			return err
		}
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

// finish lets the operation go on to its end by itself, and returns what came of it.
func (s *stage) finish(p *process, t *tracer, part string) error {
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
