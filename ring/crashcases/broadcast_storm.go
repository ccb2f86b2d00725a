package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// visit is what one of many does, who may be killed at it: it attaches, writes a few records, reads what there
// is while it holds writers up, and leaves the segment. To the others, it has died.
func (l *audience) visit(a *crashlab.Actor) error {
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	_, err = pass(seg, capacity+3)
	return errors.Join(err, seg.Close())
}

// pass writes and reads n records. One that lives on must leave, or holds up everybody who writes.
func pass(seg *shm.Segment, n int) (leave func() error, err error) {
	b, err := ring.OpenBroadcast[item](seg, name)
	if err != nil {
		return nil, err
	}
	w, err := b.Writer()
	if err != nil {
		return nil, err
	}
	s, err := b.Subscribe(ring.Blocking(), ring.FromOldest())
	if err != nil {
		return nil, err
	}
	last := s.Sequence()
	for range n {
		if _, err := w.TryPush(item{Number: 1, By: byVictim}); err != nil {
			return nil, err
		}
		i, ok, err := s.TryNext()
		if err != nil {
			return nil, err
		}
		if ok {
			last++
			if i.By < bySetup || i.By > bySurvivor || last != s.Sequence() {
				return nil, fmt.Errorf("%+v, the next is %d, and should be %d", i, s.Sequence(), last)
			}
		}
	}
	return func() error { return errors.Join(s.Close(), w.Leave()) }, nil
}

// together is what all do after a storm, and whoever recovers: survivor 0 writes to the end, and survivor 1 reads up
// to that: all from the first record on, because it holds writers up.
func (l *audience) together(a *crashlab.Actor) error {
	switch {
	case a.N == 2:
		_, err := pass(a.Segment, capacity)
		return err
	case a.Paused:
		leave, err := pass(a.Segment, capacity)
		if err == nil {
			err = leave()
		}
		switch {
		case err != nil:
			return err
		case a.N == 0:
			return l.push(a, bySurvivor, 0)
		}
	case a.N == 0:
		for range more {
			if err := l.push(a, bySurvivor, 0); err != nil {
				return err
			}
		}
		return l.push(a, bySurvivor, 1)
	}
	for {
		before := l.s.Sequence()
		i, err := l.s.Next(a.Ctx)
		switch {
		case err != nil:
			return err
		case l.s.Sequence() != before+1:
			return fmt.Errorf("%+v is record %d, the next is %d", i, before, l.s.Sequence())
		case i.By != byVictim: // many write as the victim, each from 1 on
			err = l.see(i)
		}
		if err != nil || i.Final == 1 {
			return err
		}
	}
}

// settled is Check for what many did.
func settled(a *crashlab.Actor) (string, error) {
	o, err := find(a.Segment, name)
	if err == nil {
		err = ring.Check(o)
	}
	return "done", err
}

func broadcastStorm() crashlab.Case {
	return crashlab.Case{
		Name: "ring.Broadcast, from hand to hand", Covers: []string{"ring.BroadcastWriter.TryPush", "ring.Subscriber.TryNext"},
		States: []string{"done"},
		Play: func() crashlab.Play {
			l := &audience{broadcastScene: broadcastScene{lead: 3}}
			return crashlab.Play{
				Room: newsRoom, Setup: l.setup, Open: l.open,
				Victim: func(a *crashlab.Actor) error {
					_, err := pass(a.Segment, 1)
					return err
				},
				Recover: l.together, Check: settled, Storm: l.visit,
			}
		},
	}
}
