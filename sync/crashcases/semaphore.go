package crashcases

import (
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// permits is how many a trial's Semaphore begins with.
const permits = 3

// gate is a Semaphore in a trial, as each process sees it.
type gate struct {
	*sync.Semaphore
	held int64 // by this survivor, since before the operation
}

func (g *gate) setup(a *crashlab.Actor) error {
	_, err := sync.NewSemaphore(a.Segment, permits, shm.Named("gate"))
	return err
}

func (g *gate) open(a *crashlab.Actor) (err error) {
	g.Semaphore, err = sync.OpenSemaphore(a.Segment, "gate")
	return err
}

// openHeld has survivor 0 hold all permits.
func (g *gate) openHeld(a *crashlab.Actor) error {
	if err := g.open(a); err != nil || a.N != 0 {
		return err
	}
	g.held = permits
	return g.Acquire(a.Ctx, permits)
}

// openScarce has survivor 0 hold all permits but one.
func (g *gate) openScarce(a *crashlab.Actor) error {
	if err := g.open(a); err != nil || a.N != 0 {
		return err
	}
	g.held = permits - 1
	return g.Acquire(a.Ctx, g.held)
}

// keep takes a permit, and gives it back, until this goroutine keeps them.
func (g *gate) keep(a *crashlab.Actor) error {
	if err := a.Registered(); err != nil {
		return err
	}
	for range often {
		if err := errors.Join(g.acquire(a), g.release(a)); err != nil {
			return err
		}
	}
	return nil
}

// openKept has survivor 0 keep the permits.
func (g *gate) openKept(a *crashlab.Actor) error {
	if err := g.open(a); err != nil || a.N != 0 {
		return err
	}
	return g.keep(a)
}

// passLate is pass for a survivor that holds permits: if there is one beside, somebody waits for it who
// will keep it, and he must get it though nobody else gives any back.
func (g *gate) passLate(a *crashlab.Actor) error {
	if a.N == 2 { // comes before anybody gives any back
		got, err := g.TryAcquire(1)
		if got {
			err = g.Release(1)
		}
		return err
	}
	for a.N == 0 && g.held > 0 && g.Value() > 0 {
		if a.Ctx.Err() != nil {
			return fmt.Errorf("the waiter does not take the permit that is there: %w", a.Ctx.Err())
		}
		time.Sleep(20 * time.Microsecond)
	}
	return g.pass(a)
}

func (g *gate) acquire(a *crashlab.Actor) error { return g.Acquire(a.Ctx, 1) }

func (g *gate) release(*crashlab.Actor) error { return g.Release(1) }

func (g *gate) try(*crashlab.Actor) error {
	got, err := g.TryAcquire(1)
	if err == nil && !got {
		return errors.New("no permit")
	}
	return err
}

// giveBack is what a survivor that holds permits does for the others.
func (g *gate) giveBack(*crashlab.Actor) error {
	n := g.held
	g.held = 0
	if n == 0 {
		return nil
	}
	return g.Release(n)
}

func (g *gate) pass(a *crashlab.Actor) error {
	if err := g.giveBack(a); err != nil {
		return err
	}
	if err := g.Acquire(a.Ctx, 1); err != nil {
		return err
	}
	return g.Release(1)
}

// count is the number of permits in the end: those of the dead are gone, and no other.
func (g *gate) count(a *crashlab.Actor) (string, error) {
	n := g.Value()
	if n > permits || n < int64(permits-a.Deaths) {
		return "", fmt.Errorf("%d of %d permits after %d deaths", n, permits, a.Deaths)
	}
	return fmt.Sprintf("%d permits", n), nil
}

// kept is loose where a survivor keeps one.
func (g *gate) kept(a *crashlab.Actor) (string, error) {
	switch n := g.Value(); {
	case n == permits-1, n == permits-2 && a.Deaths == 1:
		return fmt.Sprintf("%d permits", n), nil
	case a.Deaths > 1 && n >= 0 && n < permits:
		return "1 permits", nil
	default:
		return "", fmt.Errorf("%d of %d permits after %d deaths", n, permits, a.Deaths)
	}
}

// loose is count where a second death may have taken another permit.
func (g *gate) loose(a *crashlab.Actor) (string, error) {
	state, err := g.count(a)
	if a.Deaths > 1 && err == nil {
		return "2 permits", nil
	}
	return state, err
}

func semaphoreCases() []crashlab.Case {
	taken := []string{"3 permits", "2 permits"}
	given := []string{"2 permits", "3 permits"}
	return []crashlab.Case{
		{
			Name: "sync.NewSemaphore", Covers: []string{"sync.NewSemaphore"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewSemaphore(a.Segment, permits, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					g := &gate{}
					var err error
					if g.Semaphore, err = sync.OpenSemaphore(a.Segment, "new"); err != nil {
						return err
					}
					return g.pass(a)
				})
			},
		},
		{
			Name: "sync.OpenSemaphore", Covers: []string{"sync.OpenSemaphore", "sync.SemaphoreFrom"},
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.open, Recover: g.pass,
					Victim: func(a *crashlab.Actor) error {
						s, err := sync.OpenSemaphore(a.Segment, "gate")
						if err != nil {
							return err
						}
						_, err = sync.SemaphoreFrom(a.Segment, s.Ref())
						return err
					},
				}
			},
		},
		{
			Name: "sync.Semaphore.Acquire", Covers: []string{"sync.Semaphore.Acquire"}, States: taken,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.open, Victim: g.acquire, Recover: g.pass, Check: g.loose,
				}
			},
		},
		{
			Name: "sync.Semaphore.Acquire, blocked", Covers: []string{"sync.Semaphore.Acquire"}, States: taken,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.openHeld, Victim: g.acquire, Unblock: g.giveBack, Recover: g.pass, Check: g.loose,
				}
			},
		},
		{
			Name: "sync.Semaphore.Acquire, one of two waiters", Covers: []string{"sync.Semaphore.Acquire"}, States: taken,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.openHeld, Wait: g.pass, Victim: g.acquire, Unblock: g.giveBack, Recover: g.pass,
					Check: g.loose,
				}
			},
		},
		{
			Name: "sync.Semaphore.TryAcquire", Covers: []string{"sync.Semaphore.TryAcquire"}, States: taken,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.open, Victim: g.try, Recover: g.pass, Check: g.loose,
				}
			},
		},
		{
			Name: "sync.Semaphore.Release", Covers: []string{"sync.Semaphore.Release"}, States: given,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.open, Ready: g.acquire, Victim: g.release, Recover: g.pass, Check: g.loose,
				}
			},
		},
		{
			Name: "sync.Semaphore.Acquire, by who keeps the permits", Covers: []string{"sync.Semaphore.Acquire"}, States: taken,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.open, Ready: g.keep, Victim: g.acquire, Recover: g.pass, Check: g.loose,
				}
			},
		},
		{
			Name: "sync.Semaphore.Release, by who keeps the permits", Covers: []string{"sync.Semaphore.Release"}, States: given,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.open, Victim: g.release, Recover: g.pass, Check: g.loose,
					Ready: func(a *crashlab.Actor) error { return errors.Join(g.keep(a), g.acquire(a)) },
				}
			},
		},
		{
			Name: "sync.Semaphore.TryAcquire, another one keeps the permits", Covers: []string{"sync.Semaphore.TryAcquire"}, States: taken,
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.openKept, Victim: g.try, Recover: g.pass, Check: g.loose,
				}
			},
		},
		{
			Name: "sync.Semaphore.Release, a waiter", Covers: []string{"sync.Semaphore.Release"},
			States: []string{"1 permits", "2 permits"},
			Play: func() crashlab.Play {
				var g gate
				return crashlab.Play{
					Setup: g.setup, Open: g.openScarce, Ready: g.acquire, Wait: g.acquire, Victim: g.release, Recover: g.passLate,
					Check: g.kept,
				}
			},
		},
	}
}
