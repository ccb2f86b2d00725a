package crashcases

import (
	"context"
	"errors"
	"fmt"
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
