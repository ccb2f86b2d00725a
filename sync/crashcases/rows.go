package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// vault is a Semaphore with the option Tracked in a trial, as each process sees it: in the end all of its
// permits are there.
type vault struct {
	*sync.Semaphore
	held int64
}

func (v *vault) setup(a *crashlab.Actor) error {
	_, err := sync.NewSemaphore(a.Segment, permits, sync.Tracked(), shm.Named("vault"))
	return err
}

func (v *vault) open(a *crashlab.Actor) (err error) {
	v.Semaphore, err = sync.OpenSemaphore(a.Segment, "vault")
	return err
}

// openHeld has survivor 0 hold all permits.
func (v *vault) openHeld(a *crashlab.Actor) error {
	if err := v.open(a); err != nil || a.N != 0 {
		return err
	}
	v.held = permits
	return v.Acquire(a.Ctx, permits)
}

func (v *vault) acquire(a *crashlab.Actor) error { return v.Acquire(a.Ctx, 1) }

func (v *vault) giveBack(*crashlab.Actor) error {
	n := v.held
	v.held = 0
	if n == 0 {
		return nil
	}
	return v.Release(n)
}

// all takes all permits, those of the dead among them, and gives them back.
func (v *vault) all(a *crashlab.Actor) error {
	if err := v.giveBack(a); err != nil {
		return err
	}
	if err := v.Acquire(a.Ctx, permits); err != nil {
		return err
	}
	return v.Release(permits)
}

func (v *vault) one(a *crashlab.Actor) error {
	return errors.Join(v.giveBack(a), v.Acquire(a.Ctx, 1), v.Release(1))
}

func (v *vault) whole(a *crashlab.Actor) (string, error) {
	got, err := v.TryAcquire(permits)
	if err == nil && !got {
		err = fmt.Errorf("%d of %d permits", v.Value(), permits)
	}
	if err != nil {
		return "", err
	}
	return "", v.Release(permits)
}

// crew is a WaitGroup in a trial, as each process sees it.
type crew struct{ *sync.WaitGroup }

func (c *crew) setup(a *crashlab.Actor) error {
	_, err := sync.NewWaitGroup(a.Segment, shm.Named("crew"))
	return err
}

func (c *crew) open(a *crashlab.Actor) (err error) {
	c.WaitGroup, err = sync.OpenWaitGroup(a.Segment, "crew")
	return err
}

// openWork has survivor 0 add a unit of work.
func (c *crew) openWork(a *crashlab.Actor) error {
	if err := c.open(a); err != nil || a.N != 0 {
		return err
	}
	return c.Add(1)
}

func (c *crew) add(*crashlab.Actor) error { return c.Add(1) }

// done tells that a unit is done. While the victim was stopped, survivor 0 may have done so.
func (c *crew) done(*crashlab.Actor) error { return unless(c.Done(), sync.ErrCount) }

func unless(err, answer error) error {
	if errors.Is(err, answer) {
		return nil
	}
	return err
}

func (c *crew) takeAndDo(a *crashlab.Actor) error {
	return errors.Join(unless(c.Take(a.Ctx, 1), sync.ErrCount), c.done(a))
}

// await waits for the end of all work. That somebody died may be said or not.
func (c *crew) await(a *crashlab.Actor) error {
	err := c.Wait(a.Ctx)
	if a.Died(err, sync.ErrOwnerDied) || errors.Is(err, sync.ErrOwnerDied) {
		return nil
	}
	return err
}

// finish does what survivor 0 still answers for, and waits.
func (c *crew) finish(a *crashlab.Actor) error {
	if a.N == 0 && !a.Paused { // Done may wait for who takes the last unit over
		if err := c.done(a); err != nil {
			return err
		}
	}
	if a.N == 2 { // comes before survivor 0 has done its work
		return nil
	}
	return c.await(a)
}

func (c *crew) over(a *crashlab.Actor) (string, error) {
	if n := c.Count(); n != 0 {
		return "", fmt.Errorf("%d units of work in the end", n)
	}
	return "", nil
}

// gang is a Barrier for two in a trial, as each process sees it: the survivors meet at it, whatever became of
// the victim.
type gang struct{ *sync.Barrier }

func (g *gang) setup(a *crashlab.Actor) error {
	_, err := sync.NewBarrier(a.Segment, 2, shm.Named("gang"))
	return err
}

func (g *gang) open(a *crashlab.Actor) (err error) {
	g.Barrier, err = sync.OpenBarrier(a.Segment, "gang")
	return err
}

// once comes to the barrier once; that it is broken is an answer.
func (g *gang) once(a *crashlab.Actor) error {
	_, err := g.Wait(a.Ctx)
	return unless(err, sync.ErrBroken)
}

// alone comes to the barrier, and nobody else does: it must be told that it is broken.
func (g *gang) alone(a *crashlab.Actor) error {
	n, err := g.Wait(a.Ctx)
	if err == nil {
		return fmt.Errorf("went on alone, behind %d", n)
	}
	return unless(err, sync.ErrBroken)
}

func (g *gang) act(a *crashlab.Actor) error {
	_, err := g.WaitAction(a.Ctx, func() error { return nil })
	return unless(err, sync.ErrBroken)
}

func (g *gang) abort(*crashlab.Actor) error { return g.Abort() }

// together has the two survivors come: both go on, or both are told that it is broken.
func (g *gang) together(a *crashlab.Actor) error {
	if a.N == 2 {
		return g.Reset(a.Ctx)
	}
	_, err := g.Wait(a.Ctx)
	switch {
	case err == nil:
		a.Say("went on")
	case errors.Is(err, sync.ErrBroken) && a.Ctx.Err() == nil:
		a.Say("broken")
	default:
		return err
	}
	return nil
}

// agreed is what they were told.
func (g *gang) agreed(a *crashlab.Actor) (string, error) {
	if len(a.Said) != 2 || a.Said[0] != a.Said[1] {
		return "", fmt.Errorf("the two were told %q", a.Said)
	}
	return "", nil
}

// mend has survivor 0 abort what is under way, so that nobody waits for one who is dead, and all of them
// make it new.
func (g *gang) mend(a *crashlab.Actor) error {
	if a.N == 0 {
		if err := g.Abort(); err != nil {
			return err
		}
	}
	return g.Reset(a.Ctx)
}

func (g *gang) sound(a *crashlab.Actor) (string, error) {
	if n := g.Waiting(); n > 0 {
		return "", fmt.Errorf("%d wait in the end", n)
	}
	return "", nil
}

func rowsCases() []crashlab.Case {
	vaulted := func(change func(v *vault, p *crashlab.Play)) func() crashlab.Play {
		return func() crashlab.Play {
			var v vault
			p := crashlab.Play{Setup: v.setup, Open: v.open, Recover: v.all, Check: v.whole}
			change(&v, &p)
			return p
		}
	}
	crewed := func(change func(c *crew, p *crashlab.Play)) func() crashlab.Play {
		return func() crashlab.Play {
			var c crew
			p := crashlab.Play{Setup: c.setup, Open: c.open, Recover: c.finish, Check: c.over}
			change(&c, &p)
			return p
		}
	}
	ganged := func(change func(g *gang, p *crashlab.Play)) func() crashlab.Play {
		return func() crashlab.Play {
			var g gang
			p := crashlab.Play{Setup: g.setup, Open: g.open, Recover: g.mend, Check: g.sound}
			change(&g, &p)
			return p
		}
	}
	return []crashlab.Case{
		{
			Name: "sync.Semaphore.Acquire, tracked", Covers: []string{"sync.Semaphore.Acquire", "sync.Tracked", "sync.Bounded"},
			Play: vaulted(func(v *vault, p *crashlab.Play) { p.Victim = v.acquire }),
		},
		{
			Name: "sync.Semaphore.Acquire, tracked, blocked", Covers: []string{"sync.Semaphore.Acquire"},
			Play: vaulted(func(v *vault, p *crashlab.Play) {
				p.Open, p.Victim, p.Unblock = v.openHeld, v.acquire, v.giveBack
			}),
		},
		{
			Name: "sync.Semaphore.Release, tracked, a waiter", Covers: []string{"sync.Semaphore.Release"},
			Play: vaulted(func(v *vault, p *crashlab.Play) {
				p.Ready = func(a *crashlab.Actor) error { return v.Acquire(a.Ctx, permits) }
				p.Wait, p.Victim = v.one, func(*crashlab.Actor) error { return v.Release(permits) }
			}),
		},
		{
			Name: "sync.NewWaitGroup", Covers: []string{"sync.NewWaitGroup"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewWaitGroup(a.Segment, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					g, err := sync.OpenWaitGroup(a.Segment, "new")
					if err != nil {
						return err
					}
					return g.Wait(a.Ctx)
				})
			},
		},
		{
			Name: "sync.OpenWaitGroup", Covers: []string{"sync.OpenWaitGroup", "sync.WaitGroupFrom"},
			Play: crewed(func(c *crew, p *crashlab.Play) {
				p.Victim = func(a *crashlab.Actor) error {
					g, err := sync.OpenWaitGroup(a.Segment, "crew")
					if err != nil {
						return err
					}
					_, err = sync.WaitGroupFrom(a.Segment, g.Ref())
					return err
				}
			}),
		},
		{
			Name: "sync.WaitGroup.Add", Covers: []string{"sync.WaitGroup.Add"},
			Play: crewed(func(c *crew, p *crashlab.Play) {
				p.Victim = func(a *crashlab.Actor) error { return errors.Join(c.add(a), c.done(a)) }
			}),
		},
		{
			Name: "sync.WaitGroup.Take and Done, a waiter", Covers: []string{"sync.WaitGroup.Take", "sync.WaitGroup.Done"},
			Play: crewed(func(c *crew, p *crashlab.Play) {
				p.Open, p.Wait, p.Victim = c.openWork, c.await, c.takeAndDo
			}),
		},
		{
			Name: "sync.WaitGroup.Wait, blocked", Covers: []string{"sync.WaitGroup.Wait"},
			Play: crewed(func(c *crew, p *crashlab.Play) {
				p.Open, p.Victim, p.Unblock = c.openWork, c.await, c.finish
			}),
		},
		{
			Name: "sync.NewBarrier", Covers: []string{"sync.NewBarrier", "sync.Leaving"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewBarrier(a.Segment, 1, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					b, err := sync.OpenBarrier(a.Segment, "new")
					if err != nil {
						return err
					}
					return b.Reset(a.Ctx)
				})
			},
		},
		{
			Name: "sync.OpenBarrier", Covers: []string{"sync.OpenBarrier", "sync.BarrierFrom"},
			Play: ganged(func(g *gang, p *crashlab.Play) {
				p.Victim = func(a *crashlab.Actor) error {
					b, err := sync.OpenBarrier(a.Segment, "gang")
					if err != nil {
						return err
					}
					_, err = sync.BarrierFrom(a.Segment, b.Ref())
					return err
				}
			}),
		},
		{
			Name: "sync.Barrier.Join and Leave", Covers: []string{"sync.Barrier.Join", "sync.Barrier.Leave"},
			Play: ganged(func(g *gang, p *crashlab.Play) {
				p.Victim = func(*crashlab.Actor) error { return errors.Join(g.Join(), g.Leave()) }
			}),
		},
		{
			// The other one waits since before: he goes on, or is told that it is broken.
			Name: "sync.Barrier.Wait, the last", Covers: []string{"sync.Barrier.Wait"},
			Play: ganged(func(g *gang, p *crashlab.Play) { p.Wait, p.Victim, p.Unblock = g.once, g.once, g.mend }),
		},
		{
			Name: "sync.Barrier.WaitAction, the last", Covers: []string{"sync.Barrier.WaitAction"},
			Play: ganged(func(g *gang, p *crashlab.Play) { p.Wait, p.Victim, p.Unblock = g.once, g.act, g.mend }),
		},
		{
			Name: "sync.Barrier.Wait, blocked", Covers: []string{"sync.Barrier.Wait"},
			Play: ganged(func(g *gang, p *crashlab.Play) { p.Victim, p.Unblock = g.alone, g.mend }),
		},
		{
			Name: "sync.Barrier.Abort, a waiter", Covers: []string{"sync.Barrier.Abort"},
			Play: ganged(func(g *gang, p *crashlab.Play) { p.Wait, p.Victim = g.once, g.abort }),
		},
		{
			Name: "sync.Barrier.Reset, before others come", Covers: []string{"sync.Barrier.Reset"},
			Play: ganged(func(g *gang, p *crashlab.Play) {
				p.Victim = func(a *crashlab.Actor) error { return g.Reset(a.Ctx) }
				p.Recover, p.Check = g.together, g.agreed
			}),
		},
		{
			Name: "sync.Barrier.Reset, a waiter", Covers: []string{"sync.Barrier.Reset"},
			Play: ganged(func(g *gang, p *crashlab.Play) {
				p.Wait, p.Victim = g.once, func(a *crashlab.Actor) error { return g.Reset(a.Ctx) }
			}),
		},
	}
}
