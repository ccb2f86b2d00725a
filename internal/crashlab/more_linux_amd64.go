package crashlab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The trials beside a single death: a second one, a victim that is only stopped, several at a time.

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
	if err := s.hold("recover"); err != nil {
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
		if err == nil {
			err = s.goOn()
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

// goOn waits for the operation of a victim that was stopped, and runs by itself now. It is unblocked when it sleeps, as
// one that is stepped is, and no sooner: what lets a sleeper go on may be over for one who comes behind it.
func (s *stage) goOn() error {
	if s.play.Unblock == nil || s.unblock {
		return s.finishAlone()
	}
	if s.victim == nil { // survivor 0 does both
		if err := s.unblocks(); err != nil {
			return err
		}
		return s.finishAlone()
	}
	over := make(chan error, 1)
	go func() { over <- s.finishAlone() }()
	rest := rest{pid: s.tracer.pid, thread: s.tracer.thread}
	for !s.unblock {
		select {
		case err := <-over:
			return err
		default:
		}
		if !rest.lasts(s.patience()) {
			pauseLab(int64(time.Millisecond))
			continue
		}
		if err := s.unblocks(); err != nil {
			return err
		}
	}
	return <-over
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
		if r.spent() {
			return nil
		}
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
			if s.play.Bare {
				if _, err := p.ask(order{Act: "ready", Bound: bound}); err != nil {
					return nil, false, err
				}
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
