package crashcases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// mpmcRoom is what a ring of any number of ends needs.
const mpmcRoom = 24 << 10

// crossing is such a ring in a trial, as each process sees it.
type crossing struct {
	left  int  // items of the setup that are there
	first int  // items that the victim pushes or pops before its operation
	does  int  // and in it
	pops  bool // it pops
	m     *ring.MPMC[item]
	sent  uint64
	helps bool     // survivor 0 helps the victim, of which Check would not hear
	aside []string // so it keeps it for itself
	later []string // what was said while the victim was stopped, of which Check would not hear either
	// has: who pushes alone before the operation, until its lane has a bias to it.
	has biased
}

type biased int

const (
	nobody biased = iota
	victim
	survivor // 0
)

// often is how many values in a row earn a bias for sure, either way. It is a multiple of what the setup leaves.
const often = 1 << 12

// A word of a survivor says what it pushed, or popped.
const (
	wordPushed = "pushed %d %d"
	wordPopped = "popped %d %d"
)

func (c *crossing) create(a *crashlab.Actor) error {
	_, err := ring.NewMPMC[item](a.Segment, capacity, shm.Named(name))
	return err
}

// setup pushes from an attach that is closed, which to the others is a process that died.
func (c *crossing) setup(a *crashlab.Actor) error {
	if err := c.create(a); err != nil {
		return err
	}
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	return errors.Join(c.foretell(a.Ctx, seg), seg.Close())
}

func (c *crossing) foretell(ctx context.Context, seg *shm.Segment) error {
	m, err := ring.OpenMPMC[item](seg, name)
	if err != nil {
		return err
	}
	for i := range uint64(c.left + 1) {
		if err := m.Push(ctx, item{Number: i, By: bySetup}); err != nil {
			return err
		}
		if i == 0 { // so that it has a seat
			if _, err := m.Pop(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *crossing) open(a *crashlab.Actor) (err error) {
	c.m, err = ring.OpenMPMC[item](a.Segment, name)
	if err == nil && c.has == survivor && a.N == 0 {
		err = c.earn(a)
	}
	return err
}

// earn pushes values, and pops them again; or pops those of the setup and pushes them again, until they are in their
// order. Both ends of a lane have a bias to it then.
func (c *crossing) earn(a *crashlab.Actor) error {
	if err := a.Registered(); err != nil {
		return err
	}
	for range often {
		if c.pops {
			i, err := c.m.Pop(a.Ctx)
			if err == nil {
				err = c.m.Push(a.Ctx, i)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := c.m.Push(a.Ctx, item{}); err != nil {
			return err
		}
		if i, err := c.m.Pop(a.Ctx); err != nil || i != (item{}) {
			return fmt.Errorf("%+v came: %w", i, err)
		}
	}
	return nil
}

func (c *crossing) ready(a *crashlab.Actor) error {
	if err := a.Registered(); err != nil {
		return err
	}
	if c.has == victim {
		if err := c.earn(a); err != nil {
			return err
		}
	}
	for range c.first {
		var err error
		if c.pops {
			_, err = c.m.Pop(a.Ctx)
		} else {
			err = c.m.Push(a.Ctx, c.next())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next is the next item of the victim.
func (c *crossing) next() item {
	c.sent++
	return item{Number: c.sent, By: byVictim}
}

func (c *crossing) some(n int) (all []item) {
	for range n {
		all = append(all, c.next())
	}
	return all
}

func (c *crossing) say(a *crashlab.Actor, word string) {
	switch {
	case c.helps:
		c.aside = append(c.aside, word)
	case a.Paused:
		c.later = append(c.later, word)
	default:
		a.Say(word)
	}
}

// push pushes a survivor's item, and waits for room.
func (c *crossing) push(a *crashlab.Actor) error {
	i := item{Number: uint64(a.N)<<32 + c.sent + 1, By: bySurvivor}
	err := c.m.Push(a.Ctx, i)
	switch {
	case err == nil:
		c.sent++
		c.say(a, fmt.Sprintf(wordPushed, i.By, i.Number))
	case errors.Is(err, ring.ErrClosed) && !a.Segment.Engine().IsClosed():
		c.say(a, "closed")
		return nil
	}
	return err
}

// pop pops an item and waits for it; tryPop takes what is there.
func (c *crossing) pop(a *crashlab.Actor) error {
	i, err := c.m.Pop(a.Ctx)
	return c.note(a, i, err == nil, err)
}

func (c *crossing) tryPop(a *crashlab.Actor) error {
	i, ok, err := c.m.TryPop()
	return c.note(a, i, ok, err)
}

func (c *crossing) note(a *crashlab.Actor, i item, ok bool, err error) error {
	if ok {
		c.say(a, fmt.Sprintf(wordPopped, i.By, i.Number))
	}
	if errors.Is(err, ring.ErrClosed) && !a.Segment.Engine().IsClosed() {
		c.say(a, "closed")
		return nil
	}
	return err
}

// What they take and push while the victim is stopped, at most: it finds enough of both when it goes on.
const (
	survivorsPop  = 4
	survivorsPush = 2
)

// recover is what the others do: they pop and push.
func (c *crossing) recover(a *crashlab.Actor) error {
	if !a.Paused {
		for _, word := range c.later {
			a.Say(word)
		}
		c.later = nil
	}
	if a.N == 2 {
		i := item{Number: c.sent + 1, By: bySecond}
		ok, err := c.m.TryPush(i)
		if ok {
			c.sent++
			c.say(a, fmt.Sprintf(wordPushed, i.By, i.Number))
		}
		if errors.Is(err, ring.ErrClosed) {
			return nil
		}
		return err
	}
	return errors.Join(c.tryPop(a), c.tryPop(a), c.push(a))
}

// check holds all that came out against what went in, and returns how many items of the operation are there,
// or are not there any more.
func (c *crossing) check(a *crashlab.Actor) (n int, closed bool, err error) {
	o, err := find(a.Segment, name)
	if err != nil {
		return 0, false, err
	}
	if err := ring.Check(o); err != nil {
		return 0, false, err
	}
	out := map[item]int{}
	pushed := map[item]bool{}
	for _, word := range slices.Concat(a.Said, c.aside) {
		var i item
		if k, _ := fmt.Sscanf(word, wordPopped, &i.By, &i.Number); k == 2 {
			out[i]++
		} else if k, _ := fmt.Sscanf(word, wordPushed, &i.By, &i.Number); k == 2 {
			pushed[i] = true
		} else {
			closed = closed || word == "closed"
		}
	}
	last := map[[2]uint64]uint64{}
	for {
		i, ok, err := c.m.TryPop()
		if errors.Is(err, ring.ErrClosed) {
			closed = true
			break
		}
		if err != nil {
			return 0, false, err
		}
		if !ok {
			break
		}
		who := [2]uint64{uint64(i.By), i.Number >> 32}
		if i.Number <= last[who] && last[who] != 0 {
			return 0, false, fmt.Errorf("%+v behind number %d", i, last[who])
		}
		last[who] = i.Number
		out[i]++
	}
	count := map[by]int{}
	for i, times := range out {
		if times != 1 {
			return 0, false, fmt.Errorf("%+v came %d times", i, times)
		}
		count[i.By]++
		switch i.By {
		case bySetup:
			if i.Number < 1 || i.Number > uint64(c.left) {
				err = fmt.Errorf("%+v of %d", i, c.left)
			}
		case bySurvivor, bySecond:
			// Who is killed as well may have pushed and not said so.
			if !pushed[i] && (i.By == bySurvivor || a.Deaths < 2) {
				err = fmt.Errorf("%+v, which was not pushed", i)
			}
			pushed[i] = false
		case byVictim:
		default:
			err = fmt.Errorf("%+v, which nobody pushed", i)
		}
	}
	// What a victim that was stopped pops when it goes on may be a survivor's.
	missing := c.left - count[bySetup]
	for _, waits := range pushed {
		if waits {
			missing++
		}
	}
	for k := range count[byVictim] {
		if out[item{Number: uint64(k + 1), By: byVictim}] != 1 {
			err = fmt.Errorf("not the first %d of the victim: %v", count[byVictim], out)
		}
	}
	lost := c.m.Lost()
	n = count[byVictim] - c.first
	if c.pops {
		n = missing - c.first
		if lost > n || lost > 0 && a.Deaths == 0 {
			err = fmt.Errorf("%d lost of %d", lost, n)
		}
	} else {
		if lost > 0 {
			err = fmt.Errorf("%d lost", lost)
		}
		if missing != 0 {
			err = fmt.Errorf("%d items of others did not come", missing)
		}
	}
	if err == nil && c.m.Len() != 0 {
		err = fmt.Errorf("%d left of what was popped to the end", c.m.Len())
	}
	return n, closed, err
}

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
