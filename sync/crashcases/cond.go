package crashcases

import (
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// lounge is a Cond and its Mutex in a trial, as each process sees them.
type lounge struct {
	door
	cond *sync.Cond
	seen segment.Object
}

func (l *lounge) setup(a *crashlab.Actor) error {
	_, err := sync.NewCond(a.Segment, shm.Named("lounge"))
	return errors.Join(err, l.door.setup(a))
}

func (l *lounge) open(a *crashlab.Actor) (err error) {
	if l.cond, err = sync.OpenCond(a.Segment, "lounge"); err != nil {
		return err
	}
	err = a.Segment.Engine().Objects(func(o segment.Object, name string) bool {
		if name == "lounge" {
			l.seen = o
		}
		return true
	})
	return errors.Join(err, l.door.open(a))
}

func (l *lounge) signal(*crashlab.Actor) error { return l.cond.Signal() }

func (l *lounge) broadcast(*crashlab.Actor) error { return l.cond.Broadcast() }

// wait waits once, whatever becomes of the lock.
func (l *lounge) wait(a *crashlab.Actor) error {
	if err := l.enter(a); err != nil {
		return err
	}
	err := l.cond.Wait(a.Ctx, l.Mutex)
	if a.Died(err, sync.ErrOwnerDied) {
		err = l.MarkConsistent()
	}
	if err != nil {
		return err
	}
	return l.Unlock()
}

func (l *lounge) enter(a *crashlab.Actor) error {
	err := l.Lock(a.Ctx)
	if a.Died(err, sync.ErrOwnerDied) {
		err = l.MarkConsistent()
	}
	return err
}

func (l *lounge) info() (sync.CondInfo, error) {
	i, err := sync.Inspect(l.seen)
	if err != nil {
		return sync.CondInfo{}, err
	}
	return i.(sync.CondInfo), nil
}

// goOn is what everybody must be able to do: lock, signal, and, as somebody who waits, go on. Survivor 0
// signals only where no signal is under way, because the one that is must arrive.
func (l *lounge) goOn(a *crashlab.Actor) error {
	if err := l.enter(a); err != nil {
		return err
	}
	if err := l.Unlock(); err != nil || a.N != 0 {
		return err
	}
	for {
		i, err := l.info()
		switch {
		case err != nil:
			return err
		case i.Waiting == 0:
			return nil
		case i.Signalled == 0:
			if err := l.cond.Broadcast(); err != nil {
				return err
			}
		case a.Ctx.Err() != nil:
			return fmt.Errorf("%s: %w", i, a.Ctx.Err())
		}
		time.Sleep(20 * time.Microsecond)
	}
}

// empty is the end: nobody waits, and nobody has the lock.
func (l *lounge) empty(a *crashlab.Actor) (string, error) {
	if who, held := l.Owner(); held {
		return "", fmt.Errorf("still held by %s", who)
	}
	i, err := l.info()
	if err == nil && i.Waiting > 0 {
		err = fmt.Errorf("in the end: %s", i)
	}
	return "", err
}

func condCases() []crashlab.Case {
	play := func(l *lounge) crashlab.Play {
		return crashlab.Play{Setup: l.setup, Open: l.open, Recover: l.goOn, Check: l.empty}
	}
	return []crashlab.Case{
		{
			Name: "sync.NewCond", Covers: []string{"sync.NewCond"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewCond(a.Segment, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					c, err := sync.OpenCond(a.Segment, "new")
					if err != nil {
						return err
					}
					return c.Signal()
				})
			},
		},
		{
			Name: "sync.OpenCond", Covers: []string{"sync.OpenCond", "sync.CondFrom"},
			Play: func() crashlab.Play {
				var l lounge
				p := play(&l)
				p.Victim = func(a *crashlab.Actor) error {
					c, err := sync.OpenCond(a.Segment, "lounge")
					if err != nil {
						return err
					}
					_, err = sync.CondFrom(a.Segment, c.Ref())
					return err
				}
				return p
			},
		},
		{
			Name: "sync.Cond.Wait, blocked", Covers: []string{"sync.Cond.Wait", "sync.Cond.WaitFor"},
			Play: func() crashlab.Play {
				var l lounge
				p := play(&l)
				p.Victim, p.Unblock = l.wait, l.broadcast
				return p
			},
		},
		{
			// The one signal may be the victim's: then the other waiter must have it when the victim dies.
			Name: "sync.Cond.Wait, one of two waiters", Covers: []string{"sync.Cond.Wait"},
			Play: func() crashlab.Play {
				var l lounge
				p := play(&l)
				p.Victim, p.Unblock, p.Wait = l.wait, l.broadcast, l.wait
				return p
			},
		},
		{
			Name: "sync.Cond.Signal", Covers: []string{"sync.Cond.Signal"},
			Play: func() crashlab.Play {
				var l lounge
				p := play(&l)
				p.Victim = l.signal
				return p
			},
		},
		{
			Name: "sync.Cond.Signal, a waiter", Covers: []string{"sync.Cond.Signal"},
			Play: func() crashlab.Play {
				var l lounge
				p := play(&l)
				p.Victim, p.Wait = l.signal, l.wait
				return p
			},
		},
		{
			Name: "sync.Cond.Broadcast, a waiter", Covers: []string{"sync.Cond.Broadcast"},
			Play: func() crashlab.Play {
				var l lounge
				p := play(&l)
				p.Victim, p.Wait = l.broadcast, l.wait
				return p
			},
		},
	}
}
