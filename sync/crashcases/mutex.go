// Package crashcases has the operations of package sync for the crash lab: what is done while a process
// is killed, and what must hold then.
package crashcases

import (
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// Cases are all of them.
func Cases() []crashlab.Case { return mutexCases() }

// door is a Mutex in a trial, as each process sees it.
type door struct{ *sync.Mutex }

func (d *door) setup(a *crashlab.Actor) error {
	_, err := sync.NewMutex(a.Segment, shm.Named("door"))
	return err
}

func (d *door) open(a *crashlab.Actor) (err error) {
	d.Mutex, err = sync.OpenMutex(a.Segment, "door")
	return err
}

func (d *door) lock(a *crashlab.Actor) error { return d.Lock(a.Ctx) }

func (d *door) unlock(*crashlab.Actor) error { return d.Unlock() }

// pass goes through the door, as every survivor must be able to. Who inherits the lock says so.
func (d *door) pass(a *crashlab.Actor) error {
	err := d.Lock(a.Ctx)
	if a.Died(err, sync.ErrOwnerDied) {
		a.Say("inherited")
		err = d.MarkConsistent()
	}
	if err != nil {
		return err
	}
	return d.Unlock()
}

// tell says, in the words of the case, whether somebody inherited the lock. That happens once for each
// death at most, and the lock is free in the end.
func (d *door) tell(not, inherited string) func(a *crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		if who, held := d.Owner(); held {
			return "", fmt.Errorf("still held by %s", who)
		}
		switch n := len(a.Said); {
		case n > a.Deaths:
			return "", fmt.Errorf("inherited %d times: %v", n, a.Said)
		case slices.Contains(a.Said, "inherited"):
			return inherited, nil
		}
		return not, nil
	}
}

func mutexCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name:   "sync.Mutex.Lock",
			Covers: []string{"sync.Mutex.Lock"},
			States: []string{"free", "held"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Victim: d.lock, Recover: d.pass, Storm: d.pass,
					Check: d.tell("free", "held"),
				}
			},
		},
		{
			Name:   "sync.Mutex.Unlock, with a waiter",
			Covers: []string{"sync.Mutex.Unlock"},
			States: []string{"held", "free"},
			Play: func() crashlab.Play {
				var d door
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Ready: d.lock, Wait: d.pass, Victim: d.unlock, Recover: d.pass,
					Check: d.tell("free", "held"),
				}
			},
		},
	}
}
