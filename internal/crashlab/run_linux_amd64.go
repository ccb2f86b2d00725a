package crashlab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
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
	marks  map[point]int // the state in which each death left the operation
}

func (r *run) all() error {
	if err := r.reference(); err != nil {
		return fmt.Errorf("%s: %w", r.c.Name, err)
	}
	for _, part := range []func() error{r.kills, r.seconds, r.pauses, r.storms, r.lab.leaks} {
		if err := part(); err != nil {
			return fmt.Errorf("%s: %w", r.c.Name, err)
		}
	}
	return nil
}

// spent reports whether the case has had its time.
func (r *run) spent() bool {
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
		_ = r.lab.renew()
		return fmt.Errorf("when it is killed behind the operation: %w", err)
	}
	if n := len(r.c.States); n > 0 && v.state != r.c.States[n-1] {
		return fmt.Errorf("when it is killed behind the operation: state %q, and not %q", v.state, r.c.States[n-1])
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

// kills tries a death at each point. Survivors come when it has happened, or are there before; in a
// full run each point has both.
func (r *run) kills() error {
	for _, q := range r.draw(r.whole.points, r.lab.opts.Sample) {
		first := r.lab.random.IntN(2) == 0
		for _, early := range []bool{first, !first} {
			if r.result.Trials > 0 && r.spent() { // one at least, however little time there is
				return nil
			}
			if err := r.kill(q, early); err != nil {
				return err
			}
			if early == first {
				r.result.Tried++
			}
			if r.lab.opts.Sample > 0 {
				break
			}
		}
	}
	if r.result.Trials == 0 { // the first run was longer than any other; the beginning is inside in any case
		if err := r.kill(point{}, false); err != nil {
			return err
		}
	}
	r.order()
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

// order holds the states against each other: what an operation has done, it has done for good.
func (r *run) order() {
	var all []point
	for q := range r.marks {
		all = append(all, q)
	}
	slices.SortFunc(all, func(p, q point) int {
		if p.before(q) {
			return -1
		}
		return 1
	})
	for i := 1; i < len(all); i++ {
		p, q := all[i-1], all[i]
		if r.marks[q] < r.marks[p] {
			r.result.fail("%s: killed after %v steps it was %q, after %v steps %q", r.c.Name,
				p, r.c.States[r.marks[p]], q, r.c.States[r.marks[q]])
			r.result.Survived--
			return
		}
	}
}

// seconds kills a second process, which recovers from the first death, at each point of its recovery.
func (r *run) seconds() error {
	n := r.lab.opts.Second
	if n == 0 || r.play().Recover == nil || r.play().Bare {
		return nil
	}
	first := r.draw(r.whole.points, n)
	for _, q := range first {
		known, err := r.recovery(q)
		if errors.Is(err, errOtherWay) {
			continue
		}
		if err != nil {
			return err
		}
		each := 0
		if n > 0 {
			each = max(1, n/len(first))
		}
		for _, q2 := range r.draw(known.points, each) {
			if r.spent() {
				return nil
			}
			if err := r.second(q, q2, known); err != nil && !errors.Is(err, errOtherWay) {
				return err
			}
		}
	}
	return nil
}

func (r *run) play() Play { return r.c.Play() }

// recovery finds the points of a recovery from a death at q.
func (r *run) recovery(q point) (known *path, err error) {
	known = &path{}
	how := fmt.Sprintf("-at %v -second 0", q)
	err = r.attempt(how, func(s *stage) (*verdict, bool, error) {
		p, _, err := s.sweeper(r.whole, q, nil, nil)
		if err != nil || p == nil {
			return nil, false, err
		}
		known = p
		p.points = slices.DeleteFunc(p.points, func(q point) bool { return q.steps >= p.steps })
		return nil, false, nil
	})
	return known, err
}

// sweeper brings a second victim, which recovers from the first one's death at q, to a point of that,
// or to the end.
func (s *stage) sweeper(first *path, q point, to *point, known *path) (*path, bool, error) {
	p, err := s.lab.spawner.start("second victim", s.lab.cpu, victimEnv...)
	if err != nil {
		return nil, false, err
	}
	ended, err := s.replace(p, first, q)
	if err != nil || ended {
		p.end()
		return nil, false, err
	}
	// From here on it is the stage's.
	s.victim = p
	if s.tracer, err = s.hold(p, "recover"); err != nil {
		return nil, false, err
	}
	return s.walk(s.tracer, to, known)
}

// replace has p ready, and the victim dead at q, unless the operation ended before.
func (s *stage) replace(p *process, first *path, q point) (ended bool, err error) {
	if err := s.enter(p, 2); err != nil {
		return false, err
	}
	_, ended, err = s.walk(s.tracer, &q, first)
	if err != nil || ended {
		return ended, err
	}
	if _, err = s.slay(); err != nil {
		return false, err
	}
	s.victim.end()
	return false, nil
}

func (r *run) second(q, q2 point, known *path) error {
	how := fmt.Sprintf("-at %v -second %v", q, q2)
	return r.attempt(how, func(s *stage) (*verdict, bool, error) {
		_, ended, err := s.sweeper(r.whole, q, &q2, known)
		if err != nil || ended || s.tracer.gone {
			return nil, false, err
		}
		where := s.tracer.place()
		proof, err := s.slay()
		if err != nil {
			return nil, true, err
		}
		r.result.Second++
		v, err := s.aftermath(recoverOrder, false, proof)
		if err != nil {
			return v, true, fmt.Errorf("%w\n  second death at %s", err, where)
		}
		return v, true, nil
	})
}

// markLength is more instructions than there are from the look at loose to the trap.
const markLength = 16

// pauses stops the victim with SIGSTOP, lets survivors try for longer than every timeout, and lets it
// go on: nothing may have been taken from it, and it must come to its end.
func (r *run) pauses() error {
	if r.lab.opts.Pauses == 0 {
		return nil
	}
	// Where the operation looks whether it is to stop at its end, it is too late to let it go.
	points := slices.DeleteFunc(slices.Clone(r.whole.points), func(q point) bool {
		return q.asleep || q.steps > r.whole.steps-markLength
	})
	for i, q := range r.draw(points, r.lab.opts.Pauses) {
		if r.spent() {
			return nil
		}
		d := 300 * time.Millisecond
		if i%4 == 3 {
			d = 1500 * time.Millisecond // the longest of all timeouts is a second
		}
		if err := r.pause(q, d); err != nil && !errors.Is(err, errOtherWay) {
			return err
		}
	}
	return nil
}

func (r *run) pause(q point, d time.Duration) error {
	how := fmt.Sprintf("-at %v -pause %v", q, d)
	return r.attempt(how, func(s *stage) (*verdict, bool, error) {
		_, ended, err := s.walk(s.tracer, &q, r.whole)
		if err != nil || ended {
			return nil, false, err
		}
		where := s.tracer.place()
		pid := s.tracer.pid
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			return nil, false, err
		}
		if err := s.tracer.free(); err != nil {
			return nil, false, err
		}
		v := &verdict{}
		o := order{Act: "recover", Bound: d, Paused: true}
		free := s.lab.survivors
		if s.waits != nil {
			free = free[:1] // the other one waits for the victim
		}
		if err := s.tell(free, o); err != nil {
			return nil, true, err
		}
		began := time.Now()
		err = s.gather(free, v, o, now())
		if rest := d - time.Since(began); rest > 0 {
			pauseLab(int64(rest))
		}
		if e := unix.Kill(pid, unix.SIGCONT); err == nil {
			err = e
		}
		if err == nil && s.play.Unblock != nil && !s.unblock {
			_, err = s.lab.survivors[0].ask(order{Act: "unblock", Bound: bound})
		}
		if err == nil {
			err = s.finishAlone()
		}
		if err == nil {
			s.bury()
			v, err = s.aftermath(recoverOrder, false, now())
		}
		if err != nil {
			return nil, true, fmt.Errorf("%w\n  stopped at %s", err, where)
		}
		r.result.Paused++
		v.recovery = 0 // nobody died
		return v, true, nil
	})
}

// finishAlone waits for the operation of a victim that nobody traces any more.
func (s *stage) finishAlone() error {
	if s.victim == nil {
		_, err := s.lab.survivors[0].ask(order{Act: "finish", Bound: bound})
		return err
	}
	o := order{Act: actOperate, Part: "victim"}
	a, err := s.victim.hear(o, patienceWithChild)
	if err != nil {
		return err
	}
	return a.refused(s.victim.role, o)
}

// storms kills several processes at work, at any time, without stepping.
func (r *run) storms() error {
	if r.play().Storm == nil {
		return nil
	}
	for range r.lab.opts.Storms {
		if err := r.storm(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) storm() error {
	return r.attempt("-storm", func(s *stage) (*verdict, bool, error) {
		if _, err := s.slay(); err != nil {
			return nil, false, err
		}
		s.stormy = true
		s.deaths += 3
		var crowd []*process
		defer func() {
			for _, p := range crowd {
				p.end()
			}
		}()
		for i := range 3 {
			p, err := s.lab.spawner.start(fmt.Sprintf("victim %d of a storm", i), -1)
			if err != nil {
				return nil, false, err
			}
			crowd = append(crowd, p)
			if err := s.enter(p, -1-i); err != nil {
				return nil, false, err
			}
			if _, err := p.ask(order{Act: actStorm}); err != nil {
				return nil, false, err
			}
		}
		pauseLab(r.lab.random.Int64N(int64(20 * time.Millisecond)))
		for _, p := range crowd {
			if err := p.cmd.Process.Kill(); err != nil {
				return nil, false, err
			}
		}
		for _, p := range crowd {
			_ = p.cmd.Wait()
			if said := p.errs.String(); said != "" {
				return nil, true, fmt.Errorf("%s: %s", p.role, said)
			}
		}
		v, err := s.aftermath(recoverOrder, false, now())
		if err == nil {
			r.result.Storms++
		}
		return v, true, err
	})
}
