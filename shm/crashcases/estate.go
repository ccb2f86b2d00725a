package crashcases

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

type participant = segment.Participant

// estate is what a victim holds that closes its attach: a lock, and the writing end of a ring with one
// value in it. A close is a small death, and so the others are told, once, that the owner died, also of
// a victim that is only stopped when it has given its slot up.
type estate struct {
	mu     *sync.Mutex
	ring   *ring.SPSC[uint64]
	writer *ring.Writer[uint64]

	inherited int // times that this process got the lock of a dead one
}

// What the victim pushed, and what its successor does.
const (
	fromVictim = 41
	fromHeir   = 42
)

// patience is the time between two looks of somebody who is not told when to look.
const patience = time.Millisecond

func (e *estate) setup(a *crashlab.Actor) error {
	if _, err := sync.NewMutex(a.Segment, shm.Named(door)); err != nil {
		return err
	}
	_, err := ring.NewSPSC[uint64](a.Segment, 4, shm.Named("ring"))
	return err
}

func (e *estate) open(a *crashlab.Actor) (err error) {
	if e.mu, err = sync.OpenMutex(a.Segment, door); err != nil {
		return err
	}
	e.ring, err = ring.OpenSPSC[uint64](a.Segment, "ring")
	return err
}

// hold is what the victim does before its operation.
func (e *estate) hold(a *crashlab.Actor) (err error) {
	if err := e.mu.Lock(a.Ctx); err != nil {
		return err
	}
	if e.writer, err = e.ring.Writer(); err != nil {
		return err
	}
	return e.writer.Push(a.Ctx, fromVictim)
}

// inherit passes the lock.
func (e *estate) inherit(a *crashlab.Actor) error {
	err := e.mu.Lock(a.Ctx)
	if errors.Is(err, sync.ErrOwnerDied) {
		e.inherited++
		err = e.mu.MarkConsistent()
	}
	if err != nil {
		return err
	}
	return e.mu.Unlock()
}

// tally is do, and says how often this process has inherited the lock by now.
func (e *estate) tally(do func(*crashlab.Actor) error) func(*crashlab.Actor) error {
	return func(a *crashlab.Actor) error {
		err := do(a)
		a.Say(fmt.Sprintf("%d %d", a.N, e.inherited))
		return err
	}
}

// recover has everybody pass the lock, and survivor 0 take the ring's end.
func (e *estate) recover(a *crashlab.Actor) error {
	if err := e.inherit(a); err != nil || a.N != 0 || e.writer != nil {
		return err
	}
	for {
		w, err := e.ring.Writer()
		if err == nil {
			e.writer = w
			return w.Push(a.Ctx, fromHeir)
		}
		if !errors.Is(err, shm.ErrInUse) {
			return err
		}
		select {
		case <-a.Ctx.Done():
			return a.Ctx.Err()
		case <-time.After(patience):
		}
	}
}

func (e *estate) check(a *crashlab.Actor) (string, error) {
	if who, held := e.mu.Owner(); held {
		return "", fmt.Errorf("still held by %s", who)
	}
	if n := total(a.Said); n > a.Deaths || a.Deaths == 1 && n != 1 {
		return "", fmt.Errorf("inherited %d times, and %d died", n, a.Deaths)
	}
	r, err := e.ring.Reader()
	if err != nil {
		return "", err
	}
	defer r.Close()
	var all []uint64
	for {
		v, ok, err := r.TryPop()
		if err != nil {
			return "", err
		}
		if !ok {
			break
		}
		all = append(all, v)
	}
	if want := []uint64{fromVictim, fromHeir}; !slices.Equal(all, want) {
		return "", fmt.Errorf("the ring has %v, and not %v", all, want)
	}
	return "", nil
}
