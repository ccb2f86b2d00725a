// Package crashcases has the operations of package sync for the crash lab: what is done while a process
// is killed, and what must hold then.
package crashcases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// Cases are all of them.
func Cases() []crashlab.Case {
	return slices.Concat(mutexCases(), rmutexCases(), semaphoreCases(), eventCases(), onceCases(), condCases(), rowsCases(), rwMutexCases(), atCases())
}

// door is a Mutex in a trial, as each process sees it.
type door struct {
	*sync.Mutex
	held  bool // by this survivor, since before the operation
	stale bool // somebody else died before, so that a death is news even if the victim lives
}

func (d *door) setup(a *crashlab.Actor) error {
	_, err := sync.NewMutex(a.Segment, shm.Named("door"))
	return err
}

func (d *door) open(a *crashlab.Actor) (err error) {
	d.Mutex, err = sync.OpenMutex(a.Segment, "door")
	return err
}

// openHeld has survivor 0 hold the lock, until it is asked to unblock the victim, or to recover.
func (d *door) openHeld(a *crashlab.Actor) error {
	if err := d.open(a); err != nil || a.N != 0 {
		return err
	}
	d.held = true
	return d.Lock(a.Ctx)
}

// folded has all waits of the process folded.
func folded(open func(*crashlab.Actor) error) func(*crashlab.Actor) error {
	return func(a *crashlab.Actor) error {
		a.Segment.Engine().Fold()
		return open(a)
	}
}

// openSuspect leaves the lock with somebody who is gone: an attach that survivor 0 closes.
func (d *door) openSuspect(a *crashlab.Actor) error {
	d.stale = true
	if err := d.open(a); err != nil || a.N != 0 {
		return err
	}
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	var gone door
	if err := gone.open(&crashlab.Actor{Segment: seg}); err != nil {
		return err
	}
	if err := gone.Lock(a.Ctx); err != nil {
		return err
	}
	return seg.Close()
}

func (d *door) lock(a *crashlab.Actor) error { return d.Lock(a.Ctx) }

func (d *door) unlock(*crashlab.Actor) error { return d.Unlock() }

// let gives the lock up that this survivor held, so that others can have it.
func (d *door) let(*crashlab.Actor) error {
	if !d.held {
		return nil
	}
	d.held = false
	return d.Unlock()
}

func (d *door) try(*crashlab.Actor) error {
	got, err := d.TryLock()
	if err == nil && !got {
		return errors.New("the lock is taken")
	}
	return err
}

// inherit takes the lock of the dead one.
func (d *door) inherit(a *crashlab.Actor) error {
	err := d.Lock(a.Ctx)
	if errors.Is(err, sync.ErrOwnerDied) {
		return nil
	}
	return err // nil, if somebody was quicker
}

// pass goes through the door, as every survivor must be able to. Who inherits the lock says so.
func (d *door) pass(a *crashlab.Actor) error {
	if err := d.let(a); err != nil {
		return err
	}
	err := d.Lock(a.Ctx)
	if d.stale && errors.Is(err, sync.ErrOwnerDied) || a.Died(err, sync.ErrOwnerDied) {
		a.Say("inherited")
		err = d.MarkConsistent()
	}
	if err != nil {
		return err
	}
	return d.Unlock()
}

// inherited says, in the words of the case, whether somebody inherited the lock. That happens once for
// each death at most, and the lock is free in the end.
func (d *door) inherited(not, yes string) func(a *crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		if who, held := d.Owner(); held {
			return "", fmt.Errorf("still held by %s", who)
		}
		if n := len(a.Said); n > a.Deaths {
			return "", fmt.Errorf("%d deaths, but inherited %d times", a.Deaths, n)
		}
		if len(a.Said) > 0 || a.Deaths > 1 { // a second one may have inherited it and given it up
			return yes, nil
		}
		return not, nil
	}
}

func mutexCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name: "sync.NewMutex", Covers: []string{"sync.NewMutex"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewMutex(a.Segment, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					d := &door{}
					var err error
					if d.Mutex, err = sync.OpenMutex(a.Segment, "new"); err != nil {
						return err
					}
					return d.pass(a)
				})
			},
		},
		{
			Name: "sync.OpenMutex", Covers: []string{"sync.OpenMutex", "sync.MutexFrom"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Recover: d.pass,
					Victim: func(a *crashlab.Actor) error {
						m, err := sync.OpenMutex(a.Segment, "door")
						if err != nil {
							return err
						}
						_, err = sync.MutexFrom(a.Segment, m.Ref())
						return err
					},
				}
			},
		},
		{
			Name: "sync.Mutex.Lock", Covers: []string{"sync.Mutex.Lock"}, States: []string{"free", "held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Victim: d.lock, Recover: d.pass, Storm: d.pass,
					Check: d.inherited("free", "held"),
				}
			},
		},
		{
			Name: "sync.Mutex.Lock, contended", Covers: []string{"sync.Mutex.Lock"}, States: []string{"waited", "held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.openHeld, Victim: d.lock, Unblock: d.let, Recover: d.pass,
					Check: d.inherited("waited", "held"),
				}
			},
		},
		{
			// The wake-up goes to one of the two that wait; whoever dies with it must not keep the other asleep.
			Name: "sync.Mutex.Lock, one of two waiters", Covers: []string{"sync.Mutex.Lock"}, States: []string{"waited", "held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.openHeld, Wait: d.pass, Victim: d.lock, Unblock: d.let, Recover: d.pass,
					Check: d.inherited("waited", "held"),
				}
			},
		},
		{
			Name: "sync.Mutex.Lock, folded", Covers: []string{"sync.Mutex.Lock"}, States: []string{"waited", "held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: folded(d.openHeld), Wait: d.pass, Victim: d.lock, Unblock: d.let, Recover: d.pass,
					Check: d.inherited("waited", "held"),
				}
			},
		},
		{
			Name: "sync.Mutex.Lock, cancelled", Covers: []string{"sync.Mutex.Lock"}, States: []string{"free"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.openHeld, Unblock: d.let, Recover: d.pass,
					Check: func(a *crashlab.Actor) (string, error) {
						state, err := d.inherited("free", "held")(a)
						if a.Deaths > 1 { // the second one may have had the lock
							state = "free"
						}
						return state, err
					},
					Patience: 5 * time.Second,
					Victim: func(a *crashlab.Actor) error {
						ctx, cancel := context.WithTimeout(a.Ctx, 300*time.Millisecond)
						defer cancel()
						err := d.Lock(ctx)
						if err == nil {
							return d.Unlock() // it took long to come here, and the lock was let go
						}
						if !errors.Is(err, context.DeadlineExceeded) {
							return fmt.Errorf("want the context's error, got %w", err)
						}
						return nil
					},
				}
			},
		},
		{
			Name: "sync.Mutex.Lock, of a dead holder's", Covers: []string{"sync.Mutex.Lock"}, States: []string{"suspect"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.openSuspect, Victim: d.inherit, Recover: d.pass,
					Check: func(a *crashlab.Actor) (string, error) {
						if len(a.Said) == 0 && a.Deaths == 1 { // a second one may have been told, and died
							return "", errors.New("nobody was told that the holder died")
						}
						a.Deaths++ // the attach that was closed
						return d.inherited("suspect", "suspect")(a)
					},
				}
			},
		},
		{
			Name: "sync.Mutex.Locker", Covers: []string{"sync.Mutex.Locker"}, States: []string{"held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Recover: d.pass, Check: d.inherited("held", "held"),
					Victim: func(*crashlab.Actor) error {
						l := d.Locker(nil)
						l.Lock()
						defer l.Unlock()
						return nil
					},
				}
			},
		},
		{
			Name: "sync.Mutex.TryLock", Covers: []string{"sync.Mutex.TryLock"}, States: []string{"free", "held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Victim: d.try, Recover: d.pass, Check: d.inherited("free", "held"),
				}
			},
		},
		{
			Name: "sync.Mutex.Unlock", Covers: []string{"sync.Mutex.Unlock"}, States: []string{"held", "free"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Ready: d.lock, Victim: d.unlock, Recover: d.pass,
					Check: d.inherited("free", "held"),
				}
			},
		},
		{
			Name: "sync.Mutex.Unlock, with a waiter", Covers: []string{"sync.Mutex.Unlock"}, States: []string{"held", "free"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Ready: d.lock, Wait: d.pass, Victim: d.unlock, Recover: d.pass,
					Check: d.inherited("free", "held"),
				}
			},
		},
		{
			// Whoever unlocks takes the mark away, moves the sequence, and rings the doorbell of the waiter.
			Name: "sync.Mutex.Unlock, with a waiter that is folded", Covers: []string{"sync.Mutex.Unlock"}, States: []string{"held", "free"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: folded(d.open), Ready: d.lock, Wait: d.pass, Victim: d.unlock, Recover: d.pass,
					Check: d.inherited("free", "held"),
				}
			},
		},
		{
			Name: "sync.Mutex.MarkConsistent", Covers: []string{"sync.Mutex.MarkConsistent"}, States: []string{"held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.openSuspect, Ready: d.inherit, Recover: d.pass,
					Victim: func(*crashlab.Actor) error { return d.MarkConsistent() },
					Check:  d.inherited("free", "held"),
				}
			},
		},
		{
			Name: "sync.Mutex.Unlock, without MarkConsistent", Covers: []string{"sync.Mutex.Unlock"},
			States: []string{"suspect", "not recoverable"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.openSuspect, Ready: d.inherit, Wait: d.spoiled, Victim: d.unlock, Recover: d.spoiled,
					Check: func(a *crashlab.Actor) (string, error) {
						if err := d.Lock(a.Ctx); errors.Is(err, sync.ErrNotRecoverable) {
							return "not recoverable", nil
						}
						return "suspect", nil
					},
				}
			},
		},
	}
}

// spoiled is pass where the lock may be beyond recovery. That is an answer, too.
func (d *door) spoiled(a *crashlab.Actor) error {
	if err := d.pass(a); !errors.Is(err, sync.ErrNotRecoverable) {
		return err
	}
	return nil
}
