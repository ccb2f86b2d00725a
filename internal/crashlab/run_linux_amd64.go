package crashlab

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Run tries one case.
func (l *Lab) Run(c Case) (Result, error) {
	r := run{lab: l, c: c, result: Result{Operation: c.Name}, began: time.Now(), marks: make(map[point]int)}
	err := l.near(r.all)
	return r.result, err
}

// Repeat plays one trial of the case.
func (l *Lab) Repeat(c Case, t Trial) (Result, error) {
	r := run{lab: l, c: c, result: Result{Operation: c.Name}, began: time.Now(), marks: make(map[point]int)}
	err := l.near(func() error { return r.one(t) })
	return r.result, err
}

func (r *run) one(t Trial) error {
	if err := r.reference(); err != nil {
		return fmt.Errorf("%s: %w", r.c.Name, err)
	}
	q, err := parsePoint(t.At)
	if err != nil {
		return err
	}
	switch {
	case t.Pause > 0:
		return r.pause(q, t.Pause)
	case t.Second != "":
		q2, err := parsePoint(t.Second)
		if err != nil {
			return err
		}
		return r.second(q, q2, nil)
	default:
		return r.kill(q, t.Early)
	}
}

// run is a case on trial.
type run struct {
	lab    *Lab
	c      Case
	result Result
	began  time.Time
	whole  *path         // of the first run, in which nobody dies
	used   uint64        // bytes of the heap after it
	missed int           // of the points tried, those behind the operation's end
	marks  map[point]int // the state in which each death left the operation
}

func (r *run) all() error {
	if err := r.reference(); err != nil {
		r.result.Trials++
		r.result.fail("%s, when it is killed behind the operation: %v", r.c.Name, err)
		return r.lab.renew()
	}
	for _, part := range []func() error{r.kills, r.seconds, r.pauses, r.storms, r.lab.leaks} {
		if err := part(); err != nil {
			return fmt.Errorf("%s: %w", r.c.Name, err)
		}
	}
	return nil
}

// spent reports whether the case has had its time, or failed often enough.
func (r *run) spent() bool {
	if n := r.lab.opts.Fails; n > 0 && len(r.result.Failures) >= n {
		return true
	}
	return r.lab.opts.Budget > 0 && time.Since(r.began) > r.lab.opts.Budget
}

// reference runs the operation to its end, which finds the points. The death comes behind it.
func (r *run) reference() error {
	s, err := r.lab.set(&r.c)
	if err != nil {
		return err
	}
	p, ended, err := s.walk(s.tracer, nil, nil)
	if err == nil && !ended {
		err = errors.New("the operation did not come to its end")
	}
	if err == nil {
		err = s.finish(s.victim, s.tracer, "victim")
	}
	var v *verdict
	if err == nil {
		s.bury() // behind its operation
		v, err = s.aftermath(recoverOrder, false, now())
	}
	if e := s.strike(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if n := len(r.c.States); n > 0 && v.state != r.c.States[n-1] {
		return fmt.Errorf("state %q, and not %q", v.state, r.c.States[n-1])
	}
	r.whole, r.used = p, v.used
	r.result.Instructions, r.result.States = p.steps, p.states
	if r.lab.opts.Every {
		p.points = everyPoint(p)
	}
	// Behind the last instruction the operation is over.
	p.points = slices.DeleteFunc(p.points, func(q point) bool { return q.steps >= p.steps })
	if last := (point{steps: p.steps - 1}); !slices.Contains(p.points, last) {
		p.points = append(p.points, last)
	}
	r.result.Points = len(p.points)
	return r.lab.leaks()
}

func everyPoint(p *path) []point {
	all := make([]point, 0, p.steps)
	for i := range p.steps {
		all = append(all, point{steps: i})
		if slices.Contains(p.points, point{i, true}) {
			all = append(all, point{i, true})
		}
	}
	return all
}

// draw returns at most n of the points, in their order, at random.
func (r *run) draw(points []point, n int) []point {
	if n <= 0 || n >= len(points) {
		return points
	}
	var some []point
	for _, i := range r.lab.random.Perm(len(points))[:n] {
		some = append(some, points[i])
	}
	slices.SortFunc(some, func(p, q point) int {
		if p.before(q) {
			return -1
		}
		return 1
	})
	return some
}

// kills tries a death at each point. Where most of them were behind the end, the first run was another than all others are: a
// stack grew in it, perhaps. Then another one is the first.
func (r *run) kills() error {
	for n := 1; ; n++ {
		if err := r.killsAt(r.draw(r.whole.points, r.lab.opts.Sample)); err != nil {
			return err
		}
		if n == firstRuns || 2*r.missed <= r.result.Tried || r.spent() {
			break
		}
		clear(r.marks)
		if err := r.reference(); err != nil {
			return err
		}
	}
	if r.result.Trials == 0 { // the first run was longer than any other; the beginning is inside in any case
		if err := r.kill(point{}, false); err != nil {
			return err
		}
	}
	return r.order()
}

// firstRuns is how often a first run is looked for whose points the others meet.
const firstRuns = 4

// killsAt has two deaths at each of the points: survivors come when it has happened, or are there before. Of a sample each has
// one of them.
func (r *run) killsAt(points []point) error {
	r.result.Tried, r.missed = 0, 0
	for _, q := range points {
		first := r.lab.random.IntN(2) == 0
		for _, early := range []bool{first, !first} {
			if r.result.Trials > 0 && r.spent() { // one at least, however little time there is
				return nil
			}
			inside := r.result.Trials
			if err := r.kill(q, early); err != nil {
				return err
			}
			if early == first {
				r.result.Tried++
				r.missed += 1 - (r.result.Trials - inside)
			}
			if r.lab.opts.Sample > 0 {
				break
			}
		}
	}
	return nil
}

// kill is one trial. Where the way to q is not the one that the first run went, it is gone step by step.
func (r *run) kill(q point, early bool) error {
	err := r.killOn(r.whole, q, early)
	if errors.Is(err, errOtherWay) {
		err = r.killOn(nil, q, early)
	}
	return err
}

func (r *run) killOn(known *path, q point, early bool) error {
	how := fmt.Sprintf("-at %v", q)
	if early {
		how += " -early"
	}
	return r.attempt(how, func(s *stage) (*verdict, bool, error) {
		p, ended, err := s.walk(s.tracer, &q, known)
		if err != nil || ended {
			return nil, false, err
		}
		drifted := !q.asleep && r.whole.places[q] != 0 && p.places[q] != r.whole.places[q]
		if drifted {
			r.result.Drifted++
		}
		where := s.tracer.place()
		regs := s.tracer.describe()
		o := recoverOrder
		if early {
			if err := s.tell(s.lab.survivors, o); err != nil {
				return nil, true, err
			}
			pauseLab(int64(time.Millisecond))
		}
		proof, err := s.slay()
		if err != nil {
			return nil, true, err
		}
		v, err := s.aftermath(o, early, proof)
		if err != nil {
			return v, true, fmt.Errorf("%w\n  killed at %s\n  last change of the segment at byte %#x\n  %s", err, where, s.watch.at, regs)
		}
		if !drifted && len(r.c.States) > 0 {
			r.marks[q] = max(r.marks[q], slices.Index(r.c.States, v.state))
		}
		return v, true, nil
	})
}

// attempt plays a trial. One that took too long is played again: what is late because the machine was
// busy is not late three times; what is late because a wake-up is missing is.
func (r *run) attempt(how string, play func(s *stage) (v *verdict, counts bool, err error)) error {
	limit := r.lab.opts.Limit
	if limit == 0 {
		limit = Promised
	}
	before := r.result
	var v *verdict
	var counts bool
	for late := 0; ; late++ {
		r.result = before
		r.result.Late += min(late, 1)
		var err error
		v, counts, err = r.onStage(play)
		if errors.Is(err, errOtherWay) {
			return err
		}
		if err != nil {
			r.count(counts)
			r.blame(how, err)
			return r.lab.renew()
		}
		if v == nil || v.recovery <= limit {
			break
		}
		if late == 2 {
			r.blame(how, fmt.Errorf("survivors took %v, three times", v.recovery))
			break
		}
	}
	r.count(counts)
	if v == nil {
		return nil
	}
	if counts && v.recovery <= limit {
		r.result.Survived++
	}
	r.result.WorstMillis = max(r.result.WorstMillis, millis(v.recovery))
	if v.used > r.used {
		r.result.Residue = max(r.result.Residue, v.used-r.used)
	}
	return nil
}

// count counts a trial, if the death fell inside the operation.
func (r *run) count(inside bool) {
	if inside {
		r.result.Trials++
	}
}

// blame notes a trial that failed, and how to repeat it.
func (r *run) blame(how string, err error) {
	r.result.fail("%s, %s: %v\n  repeat: go run ./cmd/crashlab -case %q %s -seed %d",
		r.c.Name, how, err, r.c.Name, how, r.lab.opts.Seed)
}

// onStage sets a trial up, plays it, and takes it down.
func (r *run) onStage(play func(s *stage) (*verdict, bool, error)) (*verdict, bool, error) {
	s, err := r.lab.set(&r.c)
	if err != nil {
		return nil, false, err
	}
	v, counts, err := play(s)
	if e := s.strike(); err == nil && e != nil {
		err = fmt.Errorf("afterwards: %w", e)
	}
	return v, counts, err
}

// order holds the states against each other: what an operation has done, it has done for good. The
// numbers of two trials may mean other instructions where the way drifts, as through a map of the
// runtime's; two that contradict each other must do so again.
func (r *run) order() error {
	for again := 0; ; again++ {
		p, q, ok := r.contradiction()
		if !ok {
			return nil
		}
		if again == contradictions {
			r.result.fail("%s: killed after %v steps it was %q, after %v steps %q", r.c.Name,
				p, r.c.States[r.marks[p]], q, r.c.States[r.marks[q]])
			r.result.Survived--
			return nil
		}
		for _, x := range []point{p, q} {
			delete(r.marks, x)
			if err := r.kill(x, false); err != nil {
				return err
			}
		}
	}
}

// contradictions is how often two trials may contradict each other before they are believed.
const contradictions = 4

// contradiction returns two points of which the later one left less done.
func (r *run) contradiction() (p, q point, ok bool) {
	all := slices.SortedFunc(maps.Keys(r.marks), func(p, q point) int {
		if p.before(q) {
			return -1
		}
		return 1
	})
	for i := 1; i < len(all); i++ {
		if p, q := all[i-1], all[i]; r.marks[q] < r.marks[p] {
			return p, q, true
		}
	}
	return p, q, false
}
