package crashcases

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// blocks allocates, passes on and frees blocks, in one process of a trial. One block is there from the
// beginning in most cases, and everybody finds it in the first word of an object, the root.
type blocks struct {
	size    int
	root    segment.Object
	b       shm.Block
	pending chan error // of a call that waits for somebody who is stopped
}

const (
	small = 100
	large = 10 << 10 // several runs, where a run has 4 KiB
	root  = "root"
)

// setup makes the root, and one block that is handed over and linked in it, unless the case begins with none.
func (t *blocks) setup(linked bool) func(*crashlab.Actor) error {
	return func(a *crashlab.Actor) error {
		e := a.Segment.Engine()
		o, err := e.New(segment.Spec{Kind: segment.KindRaw, Size: 64, Name: root})
		if err != nil || !linked {
			return err
		}
		b, err := e.Alloc(uint64(t.size), 0)
		if err == nil {
			_, err = b.Link(o.Offset(), 0)
		}
		return err
	}
}

func (t *blocks) open(a *crashlab.Actor) (err error) {
	if t.root, err = a.Segment.Engine().Lookup(root, segment.KindRaw, 0); err != nil {
		return err
	}
	if place := t.place(); place != 0 {
		t.b, err = a.Segment.Block(segment.RefAt(a.Segment.Engine(), place))
	}
	return err
}

// place is what the root's first word says.
func (t *blocks) place() uint64 { return binary.LittleEndian.Uint64(t.root.Bytes()) }

// allocate is the victim's, and a survivor's who gives back what he has got.
func (t *blocks) allocate(a *crashlab.Actor) (err error) {
	t.b, err = a.Segment.Alloc(t.size)
	return err
}

func (t *blocks) passing(a *crashlab.Actor) error {
	b, err := a.Segment.Alloc(t.size)
	if err != nil {
		return err
	}
	for _, c := range b.Bytes() {
		if c != 0 {
			return errRubble
		}
	}
	for i := 0; i < b.Len(); i += 64 {
		b.Bytes()[i+8] = rubble // not the first word, and not in many steps
	}
	return b.Free()
}

// recover is passing, for survivors, who wait for the heap's lock if the block takes several runs.
func (t *blocks) recover(a *crashlab.Actor) error {
	if t.size < large {
		return t.passing(a) // it waits for nobody
	}
	if t.pending == nil {
		t.pending = make(chan error, 1)
		go func(a crashlab.Actor) { t.pending <- t.passing(&a) }(*a)
	}
	select {
	case err := <-t.pending:
		t.pending = nil
		return err
	case <-a.Ctx.Done():
		return a.Ctx.Err()
	}
}

// tell sweeps the dead, and holds what is left against what may be: nothing that belongs to one of them, and of
// what belongs to nobody, beside the root, as many blocks as the root says that there are.
func (t *blocks) tell(linked bool, least, most int) func(*crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		e := a.Segment.Engine()
		all, err := e.Participants()
		if err != nil {
			return "", err
		}
		for _, p := range all {
			if !p.Alive && !e.Gone(p.Owner) {
				return "", fmt.Errorf("%v cannot be swept", p)
			}
		}
		if err := shm.Check(a.Segment); err != nil {
			return "", err
		}
		s := a.Segment.Stats()
		settled := int(s.Blocks) - 1
		for _, o := range s.Participants {
			settled -= int(o.Blocks)
			if o.Blocks > 1 {
				return "", fmt.Errorf("slot %d has %d blocks", o.Slot, o.Blocks)
			}
		}
		if settled < least || settled > most {
			return "", fmt.Errorf("%d blocks are nobody's, and from %d to %d may be", settled, least, most)
		}
		if !linked {
			return "", nil
		}
		place := t.place()
		_, err = e.BlockAt(place)
		switch {
		case place != 0 && err != nil:
			return "", fmt.Errorf("what is linked is freed: %w", err)
		case place == 0 && settled != 0 && !a.Paused:
			return "", fmt.Errorf("%d blocks are lost", settled)
		}
		return "", nil
	}
}

// sweepDead is an operation that meets somebody who died with blocks in every state.
func sweepDead(a *crashlab.Actor) error {
	all, err := a.Segment.Engine().Participants()
	for _, p := range all {
		if !p.Alive {
			a.Segment.Engine().Gone(p.Owner)
		}
	}
	return err
}

// hoard is what a mortal has when it dies: a block in each state that a block can be somebody's in.
func hoard(seg *shm.Segment) error {
	e := seg.Engine()
	o, err := e.Lookup(root, segment.KindRaw, 0)
	if err != nil {
		return err
	}
	var all []segment.Block
	for _, size := range []uint64{small, small, small, small, large, large} {
		b, err := e.Alloc(size, 0)
		if err != nil {
			return err
		}
		all = append(all, b)
	}
	errs := []error{
		all[1].Tie(o.Offset() + 8), // and it was stored
		all[2].Tie(o.Offset() + 16),
		all[3].Settle(), all[3].Take(),
		all[4].Tie(o.Offset() + 24), // and it was stored
	}
	e.Word(o.Offset() + 8).Store(all[1].Place())
	e.Word(o.Offset() + 24).Store(all[4].Place())
	return errors.Join(errs...)
}

func blockCases() []crashlab.Case {
	const room = 64 << 10
	of := func(name string, covers string, size int, linked bool, play func(t *blocks) crashlab.Play) crashlab.Case {
		return crashlab.Case{Name: name, Covers: []string{covers}, Play: func() crashlab.Play {
			t := &blocks{size: size}
			p := play(t)
			if p.Setup == nil {
				p.Setup = t.setup(linked)
			}
			if p.Open == nil {
				p.Open = t.open
			}
			p.Recover = t.recover
			p.Room = room
			return p
		}}
	}
	var cases []crashlab.Case
	for _, c := range []struct {
		suffix string
		size   int
	}{{"", small}, {", several runs", large}} {
		cases = append(cases,
			of("shm.Segment.Alloc"+c.suffix, "shm.Segment.Alloc", c.size, false, func(t *blocks) crashlab.Play {
				return crashlab.Play{Victim: t.allocate, Storm: t.passing, Check: t.tell(false, 0, 0)}
			}),
			of("shm.Block.Settle"+c.suffix, "shm.Block.Settle", c.size, false, func(t *blocks) crashlab.Play {
				return crashlab.Play{
					Ready: t.allocate, Victim: func(*crashlab.Actor) error { return t.b.Settle() }, Check: t.tell(false, 0, 1),
				}
			}),
			of("shm.Block.Take"+c.suffix, "shm.Block.Take", c.size, true, func(t *blocks) crashlab.Play {
				return crashlab.Play{Victim: func(*crashlab.Actor) error { return t.b.Take() }, Check: t.tell(false, 0, 1)}
			}),
			of("shm.Block.Free"+c.suffix, "shm.Block.Free", c.size, true, func(t *blocks) crashlab.Play {
				return crashlab.Play{Victim: func(*crashlab.Actor) error { return t.b.Free() }, Check: t.tell(false, 0, 1)}
			}),
			of("shm.Block.Free"+c.suffix+", its own", "shm.Block.Free", c.size, false, func(t *blocks) crashlab.Play {
				return crashlab.Play{
					Ready: t.allocate, Victim: func(*crashlab.Actor) error { return t.b.Free() }, Check: t.tell(false, 0, 0),
				}
			}),
			of("heap, a block is linked"+c.suffix, "shm.Block.Settle", c.size, false, func(t *blocks) crashlab.Play {
				return crashlab.Play{
					Victim: func(a *crashlab.Actor) error {
						b, err := a.Segment.Engine().Alloc(uint64(t.size), 0)
						if err == nil {
							_, err = b.Link(t.root.Offset(), 0)
						}
						return err
					},
					Check: t.tell(true, 0, 1),
				}
			}),
		)
	}
	return append(cases,
		of("shm.Block.Free, the last of a run", "shm.Block.Free", small, false, func(t *blocks) crashlab.Play {
			return crashlab.Play{
				Ready: func(a *crashlab.Actor) error {
					if err := t.allocate(a); err != nil {
						return err
					}
					return t.b.Settle()
				},
				Victim: func(a *crashlab.Actor) error {
					e := a.Segment.Engine()
					err := t.b.Free()
					e.Reclaim()
					return err
				},
				Check: t.tell(false, 0, 1),
			}
		}),
		of("sweep of one who had blocks", "shm.Segment.Alloc", small, false, func(t *blocks) crashlab.Play {
			return crashlab.Play{
				Setup: func(a *crashlab.Actor) error {
					if err := t.setup(false)(a); err != nil {
						return err
					}
					return bury(a, hoarding)
				},
				Victim: sweepDead, Check: t.tell(false, 2, 2),
			}
		}),
		crashlab.Case{
			Name: "shm.Segment.Destroy", Covers: []string{"shm.Segment.Destroy"}, States: []string{"there", "gone"},
			Play: func() crashlab.Play { return (&thingAway{destroy: true}).play() },
		},
		crashlab.Case{
			Name: "shm.Segment.Unname", Covers: []string{"shm.Segment.Unname"}, States: []string{"there", "gone"},
			Play: func() crashlab.Play { return (&thingAway{}).play() },
		},
	)
}

// thingAway takes the middle one of three names away, with its object or without.
type thingAway struct {
	destroy bool
	ref     shm.Ref
}

var three = []string{"first", "second", "third"}

func (t *thingAway) play() crashlab.Play {
	make := func(a *crashlab.Actor, name string) error {
		_, err := a.Segment.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 64, Name: name})
		if errors.Is(err, shm.ErrExist) {
			return nil
		}
		return err
	}
	return crashlab.Play{
		Setup: func(a *crashlab.Actor) error {
			for _, name := range three {
				if err := make(a, name); err != nil {
					return err
				}
			}
			return nil
		},
		Open: func(a *crashlab.Actor) error {
			o, err := a.Segment.Engine().Lookup(three[1], segment.KindRaw, 0)
			if err == nil {
				t.ref = o.Ref()
			}
			return err
		},
		Victim: func(a *crashlab.Actor) error {
			if t.destroy {
				return a.Segment.Destroy(t.ref)
			}
			return a.Segment.Unname(three[1])
		},
		// A small object with a name of its own: it takes the lock, and changes the list.
		Recover: func() func(a *crashlab.Actor) error {
			var n things
			return func(a *crashlab.Actor) error {
				n.name = fmt.Sprint("of ", a.N)
				return n.recover(a)
			}
		}(),
		Check: func(a *crashlab.Actor) (string, error) {
			e := a.Segment.Engine()
			for _, name := range []string{three[0], three[2], "of 0", "of 1"} {
				if _, err := e.Lookup(name, segment.KindRaw, 0); err != nil {
					return "", fmt.Errorf("%s: %w", name, err)
				}
			}
			_, gone := e.Resolve(t.ref, segment.KindRaw, 0)
			_, err := e.Lookup(three[1], segment.KindRaw, 0)
			switch {
			case err == nil && gone != nil:
				return "", fmt.Errorf("a name of nothing: %w", gone)
			case err == nil:
				return "there", nil
			case !errors.Is(err, shm.ErrNotExist):
				return "", err
			case t.destroy != (gone != nil):
				return "", fmt.Errorf("the name is gone, and the object: %v", gone)
			}
			return "gone", nil
		},
	}
}
