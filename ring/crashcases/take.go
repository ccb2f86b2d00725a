package crashcases

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
)

// takeCases are those of taking an end: the first time, and after a death.
func takeCases() (all []crashlab.Case) {
	for _, s := range []struct {
		name   string
		covers string
		scene  scene
		waits  bool
	}{
		{name: "ring.SPSC.Writer", covers: "ring.SPSC.Writer", scene: scene{kind: ofValues}},
		{name: "ring.SPSC.Writer, a reader sleeps", covers: "ring.SPSC.Writer", scene: scene{kind: ofValues}, waits: true},
		{name: "ring.SPSC.Writer, successor", covers: "ring.SPSC.Writer", scene: scene{kind: ofValues, lead: 11, left: 5}},
		{name: "ring.SPSC.Reader", covers: "ring.SPSC.Reader", scene: scene{kind: ofValues, reads: true}},
		{name: "ring.SPSC.Reader, successor", covers: "ring.SPSC.Reader", scene: scene{kind: ofValues, reads: true, lead: 11, left: 5}},
		{name: "ring.Bytes.Writer", covers: "ring.Bytes.Writer", scene: scene{kind: ofRecords(nil)}},
		{name: "ring.Bytes.Writer, successor", covers: "ring.Bytes.Writer", scene: scene{kind: ofRecords(nil), lead: 11, left: 5}},
		{name: "ring.Bytes.Reader", covers: "ring.Bytes.Reader", scene: scene{kind: ofRecords(nil), reads: true}},
		{name: "ring.Bytes.Reader, successor", covers: "ring.Bytes.Reader", scene: scene{kind: ofRecords(nil), reads: true, lead: 11, left: 5}},
	} {
		s.scene.takes, s.scene.peer = true, 1
		all = append(all, crashlab.Case{
			Name: s.name, Covers: []string{s.covers}, States: []string{"free", "held"},
			Play: func() crashlab.Play {
				l := s.scene.line()
				p := l.play(func(*crashlab.Actor) error { return late(l.take()) })
				p.Check = l.held
				if s.waits {
					p.Wait = l.await
				}
				return p
			},
		})
	}
	return all
}

// late is nil if all that is wrong is that a survivor was quicker, when the victim was stopped.
func late(err error) error {
	if errors.Is(err, ring.ErrBusy) {
		return nil
	}
	return err
}

// play is what all cases of rings have in common.
func (l *line) play(victim func(a *crashlab.Actor) error) crashlab.Play {
	return crashlab.Play{
		Room: l.kind.room, Setup: l.setup, Open: l.open, Ready: l.ready, Victim: victim, Recover: l.recover,
	}
}

// await sleeps until the victim, or its successor, does something at the other end.
func (l *line) await(a *crashlab.Actor) error {
	if l.reads {
		return l.push(a, l.next(bySurvivor))
	}
	_, err := l.pop(a)
	return err
}

// awaitOnce is await for a victim that has its end: its death ends it.
func (l *line) awaitOnce(a *crashlab.Actor) error {
	var err error
	if l.reads {
		if err = l.out.push(a.Ctx, l.next(bySurvivor)); err == nil {
			l.sent++
		}
	} else {
		var i item
		if i, err = l.in.pop(a.Ctx); err == nil {
			err = l.see(i)
		}
	}
	if err != nil && (l.heard(a, err) || errors.Is(err, ring.ErrClosed)) {
		return nil
	}
	return err
}
