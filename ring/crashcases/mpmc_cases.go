package crashcases

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// crossingCase is one operation of the victim.
type crossingCase struct {
	name   string
	covers []string
	c      crossing
	op     func(c *crossing, a *crashlab.Actor) error
	// waits: survivor 1 sleeps at the other side. blocks: the operation sleeps until survivor 0 does something.
	waits, blocks bool
}

func (k crossingCase) make() crashlab.Case {
	done := "pushed"
	if k.c.pops {
		done = "popped"
	}
	states := stages(k.c.does, done)
	if k.c.does == 0 {
		states = []string{"open", "closed"}
	}
	return crashlab.Case{
		Name: k.name, Covers: k.covers, States: states,
		Play: func() crashlab.Play {
			c := k.c
			p := crashlab.Play{
				Room: mpmcRoom, Setup: c.setup, Open: c.open, Ready: c.ready, Recover: c.recover,
				Victim: func(a *crashlab.Actor) error { return k.op(&c, a) },
				Check: func(a *crashlab.Actor) (string, error) {
					n, closed, err := c.check(a)
					if k.c.does == 0 {
						return states[map[bool]int{true: 1}[closed]], err
					}
					return fmt.Sprintf("%d %s", n, done), err
				},
			}
			other := c.pop
			if c.pops {
				other = c.push
			}
			if k.waits {
				p.Wait = other
			}
			if k.blocks {
				p.Unblock = func(a *crashlab.Actor) error {
					c.helps = true
					defer func() { c.helps = false }()
					return other(a)
				}
			}
			return p
		},
	}
}

func mpmcPush(c *crossing, a *crashlab.Actor) error { return c.m.Push(a.Ctx, c.next()) }

func mpmcPop(c *crossing, a *crashlab.Actor) error {
	_, err := c.m.Pop(a.Ctx)
	return err
}

func mpmcClose(c *crossing, _ *crashlab.Actor) error { return c.m.Close() }

func mpmcCases() (all []crashlab.Case) {
	for _, k := range []crossingCase{
		{name: "ring.MPMC.Push", covers: []string{"ring.MPMC.Push"}, c: crossing{left: 2, first: 1, does: 1}, op: mpmcPush},
		{name: "ring.MPMC.Push, first", covers: []string{"ring.MPMC.Push"}, c: crossing{left: 2, does: 1}, op: mpmcPush},
		{name: "ring.MPMC.Push, with the bias", covers: []string{"ring.MPMC.Push"}, c: crossing{does: 1, has: victim}, op: mpmcPush},
		{
			name: "ring.MPMC.PushN, another has the bias", covers: []string{"ring.MPMC.PushN"}, c: crossing{does: capacity - survivorsPush, has: survivor},
			op: func(c *crossing, a *crashlab.Actor) error {
				return counted(capacity - survivorsPush)(c.m.PushN(a.Ctx, c.some(capacity-survivorsPush)))
			},
		},
		{name: "ring.MPMC.Push, others sleep", covers: []string{"ring.MPMC.Push"}, c: crossing{does: 1}, op: mpmcPush, waits: true},
		{name: "ring.MPMC.Push, blocked", covers: []string{"ring.MPMC.Push"}, c: crossing{left: capacity, does: 1}, op: mpmcPush, blocks: true},
		{
			name: "ring.MPMC.TryPush", covers: []string{"ring.MPMC.TryPush"}, c: crossing{left: 2, first: 1, does: 1},
			op: func(c *crossing, _ *crashlab.Actor) error { return must(c.m.TryPush(c.next())) },
		},
		{
			name: "ring.MPMC.PushN, with the quotas of others", covers: []string{"ring.MPMC.PushN"}, c: crossing{left: 1, does: 3},
			op: func(c *crossing, a *crashlab.Actor) error { return counted(3)(c.m.PushN(a.Ctx, c.some(3))) },
		},
		{
			name: "ring.MPMC.TryPushN, with the quotas of others", covers: []string{"ring.MPMC.TryPushN"}, c: crossing{left: 1, does: 3},
			op: func(c *crossing, _ *crashlab.Actor) error { return counted(3)(c.m.TryPushN(c.some(3))) },
		},
		{name: "ring.MPMC.Pop", covers: []string{"ring.MPMC.Pop"}, c: crossing{left: 3, first: 1, does: 1, pops: true}, op: mpmcPop},
		{name: "ring.MPMC.Pop, with the bias", covers: []string{"ring.MPMC.Pop"}, c: crossing{left: 4, does: 1, pops: true, has: victim}, op: mpmcPop},
		{
			name: "ring.MPMC.TryPopN, another has the bias", covers: []string{"ring.MPMC.TryPopN"}, c: crossing{left: 2 * survivorsPop, does: 3, pops: true, has: survivor},
			op: func(c *crossing, _ *crashlab.Actor) error { return counted(3)(c.m.TryPopN(make([]item, 3))) },
		},
		{name: "ring.MPMC.Pop, first", covers: []string{"ring.MPMC.Pop"}, c: crossing{left: 3, does: 1, pops: true}, op: mpmcPop},
		{
			name: "ring.MPMC.Pop, others sleep", covers: []string{"ring.MPMC.Pop"},
			c: crossing{left: capacity, does: 1, pops: true}, op: mpmcPop, waits: true,
		},
		{
			name: "ring.MPMC.TryPop", covers: []string{"ring.MPMC.TryPop"}, c: crossing{left: 3, first: 1, does: 1, pops: true},
			op: func(c *crossing, _ *crashlab.Actor) error {
				_, ok, err := c.m.TryPop()
				return must(ok, err)
			},
		},
		{
			name: "ring.MPMC.PopN", covers: []string{"ring.MPMC.PopN"}, c: crossing{left: survivorsPop + 4, first: 1, does: 3, pops: true},
			op: func(c *crossing, a *crashlab.Actor) error { return counted(3)(c.m.PopN(a.Ctx, make([]item, 3))) },
		},
		{
			name: "ring.MPMC.TryPopN", covers: []string{"ring.MPMC.TryPopN"}, c: crossing{left: survivorsPop + 4, first: 1, does: 3, pops: true},
			op: func(c *crossing, _ *crashlab.Actor) error { return counted(3)(c.m.TryPopN(make([]item, 3))) },
		},
		{
			name: "ring.MPMC.All", covers: []string{"ring.MPMC.All"}, c: crossing{left: 5, does: 2, pops: true},
			op: func(c *crossing, a *crashlab.Actor) error {
				n := 0
				for _, err := range c.m.All(a.Ctx) {
					if n++; err != nil || n == 2 {
						return err
					}
				}
				return nil
			},
		},
		{name: "ring.MPMC.Close", covers: []string{"ring.MPMC.Close"}, c: crossing{left: 3}, op: mpmcClose},
		{name: "ring.MPMC.Close, others sleep", covers: []string{"ring.MPMC.Close"}, c: crossing{}, op: mpmcClose, waits: true},
	} {
		all = append(all, k.make())
	}
	return slices.Concat(all, mpmcMakeCases(), mpmcOtherCases())
}

func mpmcMakeCases() []crashlab.Case {
	usable := func(a *crashlab.Actor) (string, error) {
		m, err := ring.OpenMPMC[item](a.Segment, name)
		if errors.Is(err, shm.ErrNotExist) {
			m, err = ring.NewMPMC[item](a.Segment, capacity, shm.Named(name))
		}
		if err != nil {
			return "", err
		}
		for i := range uint64(3 * capacity) {
			if err := m.Push(a.Ctx, item{Number: i}); err != nil {
				return "", err
			}
			if got, err := m.Pop(a.Ctx); err != nil || got.Number != i {
				return "", fmt.Errorf("item %d, and not %d: %w", got.Number, i, err)
			}
		}
		if slices.Contains(a.Said, "made") {
			return "none", nil
		}
		return "made", nil
	}
	makes := func(a *crashlab.Actor) error {
		_, err := ring.NewMPMC[item](a.Segment, capacity, shm.Named(name))
		if errors.Is(err, shm.ErrExist) {
			return nil
		}
		if err == nil {
			a.Say("made")
		}
		return err
	}
	finds := func(a *crashlab.Actor) error {
		_, err := ring.OpenMPMC[item](a.Segment, name)
		if errors.Is(err, shm.ErrNotExist) {
			return nil
		}
		return err
	}
	return []crashlab.Case{
		{
			Name: "ring.NewMPMC", Covers: []string{"ring.NewMPMC"}, States: []string{"none", "made"},
			Play: func() crashlab.Play {
				return crashlab.Play{
					Room: 3 * mpmcRoom, Victim: makes, Check: usable,
					Recover: func(a *crashlab.Actor) error {
						if a.Paused {
							return finds(a)
						}
						return makes(a)
					},
				}
			},
		},
		{
			Name: "ring.OpenMPMC", Covers: []string{"ring.OpenMPMC"}, States: []string{"made"},
			Play: func() crashlab.Play {
				var c crossing
				return crashlab.Play{Room: mpmcRoom, Setup: c.create, Victim: finds, Recover: finds, Check: usable}
			},
		},
	}
}

// mpmcOtherCases are that of counting, and that of many who are killed at any time.
func mpmcOtherCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name: "ring.MPMC.Lost", Covers: []string{"ring.MPMC.Lost"}, States: []string{"0 pushed"},
			Play: func() crashlab.Play {
				c := crossing{left: 3}
				return crashlab.Play{
					Room: mpmcRoom, Setup: c.setup, Open: c.open, Recover: c.recover,
					Victim: func(*crashlab.Actor) error {
						if n := c.m.Lost(); n != 0 {
							return fmt.Errorf("%d lost", n)
						}
						return nil
					},
					Check: func(a *crashlab.Actor) (string, error) {
						n, _, err := c.check(a)
						return fmt.Sprintf("%d pushed", n), err
					},
				}
			},
		},
		{
			Name: "ring.MPMC, many at work", Covers: []string{"ring.MPMC.TryPush", "ring.MPMC.TryPop"}, States: []string{"done"},
			Play: func() crashlab.Play {
				c := crossing{left: 3}
				return crashlab.Play{
					Room: mpmcRoom, Setup: c.setup, Open: c.open, Recover: c.work, Victim: c.work, Storm: c.work,
					Check: func(a *crashlab.Actor) (string, error) {
						o, err := find(a.Segment, name)
						if err != nil {
							return "", err
						}
						if err := errors.Join(c.drain(), ring.Check(o)); err != nil {
							return "", err
						}
						if n := c.m.Lost(); n > a.Deaths {
							return "", fmt.Errorf("%d lost with %d deaths", n, a.Deaths)
						}
						// All the room is there again.
						for i := range uint64(capacity) {
							if ok, err := c.m.TryPush(item{Number: i + 1}); !ok || err != nil {
								return "", fmt.Errorf("no room for item %d of %d: %w", i+1, capacity, err)
							}
						}
						return "done", c.drain()
					},
				}
			},
		},
	}
}

// work pushes and pops some.
func (c *crossing) work(*crashlab.Actor) error {
	for range turns {
		c.sent++
		if _, err := c.m.TryPush(item{Number: uint64(os.Getpid())<<32 + c.sent, By: bySurvivor}); err != nil {
			return err
		}
		if i, ok, err := c.m.TryPop(); err != nil || ok && (i.By < bySetup || i.By > bySurvivor) {
			return fmt.Errorf("%+v: %w", i, err)
		}
	}
	return nil
}

// drain pops all there is, each producer's in its order.
func (c *crossing) drain() error {
	last := map[uint64]uint64{}
	for {
		i, ok, err := c.m.TryPop()
		if !ok || err != nil {
			return err
		}
		if who := i.Number >> 32; i.Number <= last[who] {
			return fmt.Errorf("%+v behind number %d", i, last[who])
		} else {
			last[who] = i.Number
		}
	}
}
