package crashcases

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// things makes raw objects, each filled with the number of its maker, in one process of a trial.
type things struct {
	name    string
	pending chan error // of a New that waits for a maker who is stopped
}

const thingSize = 300

// maker is what an Actor fills its objects with.
func maker(n int) byte { return byte(0x10 + n) }

var errRubble = errors.New("a new object has bytes of one that was not committed")

// fill does it in a few stores, each of which the lab kills before and behind.
func fill(o segment.Object, b byte) { copy(o.Bytes(), bytes.Repeat([]byte{b}, int(o.Size()))) }

// made makes an object of that size. If the name is taken, that is well.
func (t *things) made(a *crashlab.Actor) error {
	clean := true
	_, err := a.Segment.Engine().New(segment.Spec{
		Kind: segment.KindRaw, Size: thingSize, Name: t.name,
		Init: func(o segment.Object) {
			for _, b := range o.Bytes() {
				clean = clean && b == 0
			}
			fill(o, maker(a.N))
		},
	})
	switch {
	case !clean:
		return errRubble
	case t.name != "" && errors.Is(err, shm.ErrExist):
		return nil
	}
	return err
}

// recover is made, for survivors. New takes no context and waits for a maker who is stopped, so it is
// waited for until the time is up, and again the next time.
func (t *things) recover(a *crashlab.Actor) error {
	if t.pending == nil {
		t.pending = make(chan error, 1)
		go func(a crashlab.Actor) { t.pending <- t.made(&a) }(*a)
	}
	select {
	case err := <-t.pending:
		t.pending = nil
		return err
	case <-a.Ctx.Done():
		return a.Ctx.Err()
	}
}

// census counts the objects of each maker, those with the name and those without one, and sees that
// each is whole.
func (t *things) census(a *crashlab.Actor) (named, nameless map[byte]int, err error) {
	named, nameless = make(map[byte]int), make(map[byte]int)
	failed := a.Segment.Engine().Objects(func(o segment.Object, name string) bool {
		if o.Kind() != segment.KindRaw {
			return true
		}
		body := o.Bytes()
		for _, b := range body {
			if b != body[0] || b == 0 || b == rubble {
				err = fmt.Errorf("object at %#x is not whole", o.Offset())
			}
		}
		if name == "" {
			nameless[body[0]]++
		} else {
			named[body[0]]++
		}
		return err == nil
	})
	return named, nameless, errors.Join(err, failed)
}

func sum(counts map[byte]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// tellNamed says how far the victim came with an object that has a name.
func (t *things) tellNamed(a *crashlab.Actor) (string, error) {
	named, nameless, err := t.census(a)
	if err != nil {
		return "", err
	}
	if sum(named) != 1 {
		return "", fmt.Errorf("%d objects have the name", sum(named))
	}
	if n := sum(nameless); n > 0 {
		return "", fmt.Errorf("%d objects have no names", n)
	}
	if _, err := a.Segment.Engine().Lookup(t.name, segment.KindRaw, 0); err != nil {
		return "", err
	}
	if named[maker(-1)] == 1 {
		return "there", nil
	}
	return "nothing", nil
}

// tellNameless does it for one that has none. Each survivor has made one or more.
func (t *things) tellNameless(a *crashlab.Actor) (string, error) {
	named, nameless, err := t.census(a)
	switch {
	case err != nil:
		return "", err
	case sum(named) != 0:
		return "", fmt.Errorf("%d objects have got a name", sum(named))
	case nameless[maker(0)] == 0 || nameless[maker(1)] == 0:
		return "", errors.New("a survivor's object is not there")
	case nameless[maker(-1)] > 1 || nameless[maker(2)] > 1:
		return "", errors.New("an object is there twice")
	case nameless[maker(-1)] == 1:
		return "there", nil
	}
	return "nothing", nil
}

// begun sees to it that the heap has committed its first piece, so that what follows need not grow it.
func begun(a *crashlab.Actor) error {
	_, err := sync.NewMutex(a.Segment, shm.Named(door))
	return err
}

func heapCases() []crashlab.Case {
	named := []string{"nothing", "there"}
	nameless := []string{"nothing", "there"}
	return []crashlab.Case{
		{
			Name: "heap, an object with a name", Covers: []string{"shm.Named"}, States: named,
			Play: func() crashlab.Play {
				t := things{name: "thing"}
				return crashlab.Play{
					Setup: begun, Victim: t.made, Recover: t.recover, Storm: t.made, Check: t.tellNamed,
				}
			},
		},
		{
			Name: "heap, an object whose name is taken", Covers: []string{"shm.Named"},
			Play: func() crashlab.Play {
				t := things{name: "thing"}
				return crashlab.Play{
					Setup: t.made, Victim: t.made, Recover: t.recover,
					Check: func(a *crashlab.Actor) (string, error) {
						named, nameless, err := t.census(a)
						if err == nil && (named[maker(0)] != 1 || sum(named) != 1 || sum(nameless) != 0) {
							err = fmt.Errorf("objects with the name %v, without %v", named, nameless)
						}
						return "", err
					},
				}
			},
		},
		{
			Name: "heap, an object without a name", Covers: []string{"shm.Named"}, States: nameless,
			Play: func() crashlab.Play {
				var t things
				return crashlab.Play{Setup: begun, Victim: t.made, Recover: t.recover, Check: t.tellNameless}
			},
		},
		{
			// Nothing of the heap is backed by memory before its first object.
			Name: "heap, an object that makes it grow", Covers: []string{"shm.Named"}, States: named,
			Play: func() crashlab.Play {
				t := things{name: "thing"}
				return crashlab.Play{Victim: t.made, Recover: t.recover, Check: t.tellNamed}
			},
		},
		{
			Name: "heap, an object, beside what a dead maker left", Covers: []string{"shm.Named"}, States: named,
			Play: func() crashlab.Play {
				t := things{name: "thing"}
				return crashlab.Play{
					Setup:  func(a *crashlab.Actor) error { return bury(a, making) },
					Victim: t.made, Recover: t.recover, Check: t.tellNamed,
				}
			},
		},
	}
}
