package crashlab

import (
	"errors"

	"golang.org/x/sys/unix"
)

// adopt has survivor 0 start the victim, takes hold of it, and brings it to its first mark. Survivor 0
// sleeps then, waiting for it, unless that is no worker yet.
func (s *stage) adopt() error {
	first := s.lab.survivors[0]
	a, err := first.ask(order{Act: actForeign, Bound: bound})
	if err != nil {
		return err
	}
	if s.watch, err = watchAnonymous(a.Pid); err != nil {
		return err
	}
	if s.tracer, err = seize(a.Pid, a.Thread, traceOptions); err != nil {
		return err
	}
	if err := s.tracer.confine(s.lab.cpu); err != nil {
		return err
	}
	if _, err := first.ask(order{Act: "victim", Bound: bound}); err != nil {
		return err
	}
	if err := s.tracer.toMark(); err != nil {
		return first.trouble(order{Act: actForeign}, err)
	}
	if !s.play.Rests {
		if err := asleepOnFutex(first.pid()); err != nil {
			return err
		}
	}
	s.watch.begin()
	return nil
}

// confine keeps a process that somebody else started on one CPU, as those are that the lab starts.
func (t *tracer) confine(cpu int) error {
	var one unix.CPUSet
	one.Set(cpu)
	for id := range t.stopped {
		if err := unix.SchedSetaffinity(id, &one); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// buryForeign kills a victim that is held at its second mark, or runs by itself. Its parent sees to the
// rest.
func (s *stage) buryForeign() {
	if !s.tracer.gone {
		_, _ = s.tracer.kill()
		return
	}
	_ = unix.Kill(s.tracer.pid, unix.SIGKILL)
}
