package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// latch is an RMutex in a trial, as each process sees it.
type latch struct{ *sync.RMutex }

func (l *latch) setup(a *crashlab.Actor) error {
	_, err := sync.NewRMutex(a.Segment, shm.Named("latch"))
	return err
}

func (l *latch) open(a *crashlab.Actor) (err error) {
	l.RMutex, err = sync.OpenRMutex(a.Segment, "latch")
	return err
}

// twice locks twice and unlocks twice. Whoever inherits the lock says so.
func (l *latch) twice(a *crashlab.Actor) error {
	h, err := l.Lock(a.Ctx)
	if a.Died(err, sync.ErrOwnerDied) {
		a.Say("inherited")
		err = h.MarkConsistent()
	}
	if err != nil {
		return err
	}
	if err := h.Lock(a.Ctx); err != nil {
		return err
	}
	return errors.Join(h.Unlock(), h.Unlock())
}

// try is twice without waiting.
func (l *latch) try(*crashlab.Actor) error {
	h, err := l.TryLock()
	if h == nil {
		return errors.Join(err, errors.New("the lock is taken"))
	}
	return errors.Join(err, h.Unlock())
}

func (l *latch) free(a *crashlab.Actor) (string, error) {
	if who, held := l.Owner(); held {
		return "", fmt.Errorf("still held by %s", who)
	}
	if n := len(a.Said); n > a.Deaths {
		return "", fmt.Errorf("%d deaths, but inherited %d times", a.Deaths, n)
	}
	return "", nil
}

func rmutexCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name: "sync.NewRMutex", Covers: []string{"sync.NewRMutex"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewRMutex(a.Segment, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					m, err := sync.OpenRMutex(a.Segment, "new")
					if err != nil {
						return err
					}
					l := latch{m}
					return l.twice(a)
				})
			},
		},
		{
			Name: "sync.OpenRMutex", Covers: []string{"sync.OpenRMutex", "sync.RMutexFrom", "sync.RMutexAt"},
			Play: func() crashlab.Play {
				var l latch
				return crashlab.Play{
					Setup: l.setup, Open: l.open, Recover: l.twice,
					Victim: func(a *crashlab.Actor) error {
						m, err := sync.OpenRMutex(a.Segment, "latch")
						if err != nil {
							return err
						}
						_, err = sync.RMutexFrom(a.Segment, m.Ref())
						return err
					},
				}
			},
		},
		{
			Name:   "sync.RMutex.Lock, twice and back",
			Covers: []string{"sync.RMutex.Lock", "sync.Hold.Lock", "sync.Hold.Unlock", "sync.Hold.MarkConsistent"},
			Play: func() crashlab.Play {
				var l latch
				return crashlab.Play{
					Setup: l.setup, Open: l.open, Victim: l.twice, Recover: l.twice, Storm: l.twice, Check: l.free,
				}
			},
		},
		{
			Name: "sync.RMutex.TryLock", Covers: []string{"sync.RMutex.TryLock"},
			Play: func() crashlab.Play {
				var l latch
				return crashlab.Play{Setup: l.setup, Open: l.open, Victim: l.try, Recover: l.twice, Check: l.free}
			},
		},
	}
}
