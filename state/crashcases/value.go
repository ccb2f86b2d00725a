// Package crashcases has the operations of package state for the crash lab: what is done while a process is
// killed, and what must hold then.
package crashcases

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// Cases are all of them.
func Cases() []crashlab.Case {
	return slices.Concat(valueCases(), arrayCases(), listCases(), mapCases(), setCases(), namespaceCases(), nestingCases())
}

// sum is larger than a word, and its parts say whether it is whole.
type sum struct{ A, B, Sum uint64 }

func sumOf(a uint64) sum { return sum{a, 3 * a, 4 * a} }

func (s sum) check() error {
	if s != sumOf(s.A) {
		return fmt.Errorf("torn: %v", s)
	}
	return nil
}

// Values before the operation and after it, and what survivors add to those.
const (
	before = 1
	after  = 2
	more   = 100
)

// thing is a word and what is larger in a trial, as each process sees them: a Value of each, or an element of
// an Array of each.
type thing struct {
	word  func() (uint64, error)
	large func() (sum, error)
	add   func(a *crashlab.Actor, delta uint64) error // to both
	added bool
}

// recover reads, which nobody keeps it from, and changes, which one who is stopped may keep it from.
func (t *thing) recover(a *crashlab.Actor) error {
	if _, err := t.both(); err != nil {
		return err
	}
	if t.added || a.Paused { // what one who is stopped has yet to store would take the place of what is added
		return nil
	}
	if err := t.add(a, more); err != nil {
		return err
	}
	t.added = true
	a.Say("added")
	return nil
}

// both are the two values.
func (t *thing) both() (was [2]uint64, err error) {
	w, err := t.word()
	if err != nil {
		return was, err
	}
	l, err := t.large()
	if err == nil {
		err = l.check()
	}
	return [2]uint64{w, l.A}, err
}

// change is "before" or "after" of that one of the two values; the other one was not the operation's.
func (t *thing) change(which int) func(*crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		values, err := t.both()
		if err != nil {
			return "", err
		}
		state := "before"
		for i, v := range values {
			// One who was killed while it recovered may have added, and has not said so.
			added, rest := int(v/more), v%more
			switch {
			case added < len(a.Said) || added > len(a.Said)+a.Deaths:
				return "", fmt.Errorf("value %d is %d with %d additions, and %d deaths", i, v, len(a.Said), a.Deaths)
			case rest == after && i == which:
				state = "after"
			case rest != before:
				return "", fmt.Errorf("value %d is %d", i, v)
			}
		}
		return state, nil
	}
}

const (
	theWord = iota
	theLarge
)

// values are two Values.
type values struct {
	thing
	w *state.Value[uint64]
	l *state.Value[sum]
}

func (v *values) setup(a *crashlab.Actor) error {
	_, err := state.NewValue[uint64](a.Segment, before, shm.Named("word"))
	if err == nil {
		_, err = state.NewValue(a.Segment, sumOf(before), shm.Named("large"))
	}
	return err
}

func (v *values) open(a *crashlab.Actor) (err error) {
	if v.w, err = state.OpenValue[uint64](a.Segment, "word"); err != nil {
		return err
	}
	if v.l, err = state.OpenValue[sum](a.Segment, "large"); err != nil {
		return err
	}
	v.word, v.large = v.w.Load, v.l.Load
	v.add = func(a *crashlab.Actor, delta uint64) error {
		if err := v.l.Update(a.Ctx, func(s *sum) error { *s = sumOf(s.A + delta); return nil }); err != nil {
			return err
		}
		_, err := state.Add(v.w, delta)
		return err
	}
	return nil
}

// storm changes both in all ways.
func (v *values) storm(a *crashlab.Actor) error {
	if _, err := v.both(); err != nil {
		return err
	}
	if err := v.w.Update(a.Ctx, func(n *uint64) error { *n = before; return nil }); err != nil {
		return err
	}
	if err := v.l.Store(sumOf(before)); err != nil {
		return err
	}
	return v.l.Update(a.Ctx, func(s *sum) error { *s = sumOf(s.A); return nil })
}

// operation is one that changes a value from before to after.
type operation[P any] struct {
	name  string
	which int
	do    func(*P, *crashlab.Actor) error
}

func swapped[T comparable](was T, err error, want T) error {
	if err == nil && was != want {
		err = fmt.Errorf("found %v and not %v", was, want)
	}
	return err
}

func did(done bool, err error) error {
	if err == nil && !done {
		err = errors.New("it was another value")
	}
	return err
}

func valueCases() []crashlab.Case {
	there := []string{"absent", "there"}
	all := []crashlab.Case{
		making("state.NewValue", there, func(a *crashlab.Actor) error {
			_, err := state.NewValue(a.Segment, sumOf(before), shm.Named("new"))
			return err
		}, useValue),
		making("state.OpenOrNewValue", there, func(a *crashlab.Actor) error {
			_, err := state.OpenOrNewValue(a.Segment, "new", sumOf(before))
			return err
		}, useValue),
		{
			Name: "state.OpenValue", Covers: []string{"state.OpenValue", "state.ValueFrom", "state.Value.Load", "state.Value.Ref"},
			Play: func() crashlab.Play {
				var v values
				return crashlab.Play{
					Setup: v.setup, Open: v.open, Recover: v.recover, Storm: v.storm,
					Victim: func(a *crashlab.Actor) error {
						w, err := state.OpenValue[uint64](a.Segment, "word")
						if err != nil {
							return err
						}
						if _, err := state.ValueFrom[uint64](a.Segment, w.Ref()); err != nil {
							return err
						}
						_, err = v.both()
						return err
					},
				}
			},
		},
	}
	for _, op := range []operation[values]{
		{"state.Value.Store", theWord, func(v *values, _ *crashlab.Actor) error { return v.w.Store(after) }},
		{"state.Value.Store", theLarge, func(v *values, _ *crashlab.Actor) error { return v.l.Store(sumOf(after)) }},
		{"state.Value.Swap", theWord, func(v *values, _ *crashlab.Actor) error {
			was, err := v.w.Swap(after)
			return swapped(was, err, before)
		}},
		{"state.Value.Swap", theLarge, func(v *values, _ *crashlab.Actor) error {
			was, err := v.l.Swap(sumOf(after))
			return swapped(was, err, sumOf(before))
		}},
		{"state.Value.CompareAndSwap", theWord, func(v *values, _ *crashlab.Actor) error {
			return did(v.w.CompareAndSwap(before, after))
		}},
		{"state.Value.CompareAndSwap", theLarge, func(v *values, _ *crashlab.Actor) error {
			return did(v.l.CompareAndSwap(sumOf(before), sumOf(after)))
		}},
		{"state.Value.Update", theWord, func(v *values, a *crashlab.Actor) error {
			return v.w.Update(a.Ctx, func(n *uint64) error { *n = after; return nil })
		}},
		{"state.Value.Update", theLarge, func(v *values, a *crashlab.Actor) error {
			return v.l.Update(a.Ctx, func(s *sum) error { *s = sumOf(after); return nil })
		}},
		{"state.Add", theWord, func(v *values, _ *crashlab.Actor) error {
			_, err := state.Add(v.w, after-before)
			return err
		}},
	} {
		all = append(all, changing(op, func() (*values, *thing, crashlab.Play) {
			v := new(values)
			return v, &v.thing, crashlab.Play{Setup: v.setup, Open: v.open}
		}))
	}
	return all
}

// changing is the case of an operation.
func changing[P any](op operation[P], stage func() (*P, *thing, crashlab.Play)) crashlab.Case {
	name := op.name + ", a word"
	if op.which == theLarge {
		name = op.name + ", larger than a word"
	}
	return crashlab.Case{
		Name: name, Covers: []string{op.name}, States: []string{"before", "after"},
		Play: func() crashlab.Play {
			p, t, play := stage()
			play.Victim = func(a *crashlab.Actor) error { return op.do(p, a) }
			play.Recover, play.Check = t.recover, t.change(op.which)
			return play
		},
	}
}

func useValue(a *crashlab.Actor) error {
	v, err := state.OpenValue[sum](a.Segment, "new")
	if err != nil {
		return err
	}
	s, err := v.Load()
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	return v.Update(a.Ctx, func(s *sum) error { *s = sumOf(s.A + more); return nil })
}

// making is the case of a call that makes an object.
func making(name string, states []string, create, use func(*crashlab.Actor) error) crashlab.Case {
	return crashlab.Case{
		Name: name, Covers: []string{name}, States: states,
		Play: func() crashlab.Play { return crashlab.Making(create, use) },
	}
}
