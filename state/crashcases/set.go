package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// sets are a Set of texts in a trial: one that is there, and one that is not.
type sets struct{ s *state.Set[string] }

const (
	member   = "a member"
	stranger = "a stranger"
)

func (p *sets) setup(a *crashlab.Actor) (err error) {
	if p.s, err = state.NewSet[string](a.Segment, shm.Named("set")); err != nil {
		return err
	}
	for _, x := range []string{member, "another one"} {
		if err := did(p.s.Add(x)); err != nil {
			return err
		}
	}
	return nil
}

func (p *sets) open(a *crashlab.Actor) (err error) {
	p.s, err = state.OpenSet[string](a.Segment, "set")
	return err
}

// recover uses the Set beside what the dead one was at.
func (p *sets) recover(*crashlab.Actor) error {
	if _, err := p.s.Add("ours"); err != nil {
		return err
	}
	all, err := p.s.Snapshot()
	if _, ok := all["ours"]; err == nil && !ok {
		err = fmt.Errorf("what was added is not there")
	}
	return err
}

func useSet(a *crashlab.Actor) error {
	s, err := state.OpenSet[string](a.Segment, "new")
	if err != nil {
		return err
	}
	_, err = s.Add(member)
	return err
}

func setCases() []crashlab.Case {
	there := []string{"absent", "there"}
	all := []crashlab.Case{
		making("state.NewSet", there, func(a *crashlab.Actor) error {
			_, err := state.NewSet[string](a.Segment, shm.Named("new"))
			return err
		}, useSet),
		making("state.OpenOrNewSet", there, func(a *crashlab.Actor) error {
			_, err := state.OpenOrNewSet[string](a.Segment, "new")
			return err
		}, useSet),
	}
	reads := crashlab.Case{
		Name: "state.OpenSet",
		Covers: []string{
			"state.OpenSet", "state.SetFrom", "state.Set.Ref", "state.Set.Has", "state.Set.All", "state.Set.Len", "state.Set.Snapshot",
		},
		Play: func() crashlab.Play {
			p := &sets{}
			return crashlab.Play{
				Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover,
				Victim: func(a *crashlab.Actor) error {
					s, err := state.OpenSet[string](a.Segment, "set")
					if err != nil {
						return err
					}
					if s, err = state.SetFrom[string](a.Segment, s.Ref()); err != nil {
						return err
					}
					for range s.All() {
					}
					_, failed := s.Len()
					return errors.Join(failed, did(s.Has(member)))
				},
			}
		},
	}
	all = append(all, reads)
	for _, o := range []struct {
		name, x string
		after   bool // whether x is there
		do      func(s *state.Set[string]) error
	}{
		{"Add", stranger, true, func(s *state.Set[string]) error { return did(s.Add(stranger)) }},
		{"Remove", member, false, func(s *state.Set[string]) error { return did(s.Remove(member)) }},
		{"Clear", member, false, func(s *state.Set[string]) error { return s.Clear() }},
	} {
		name := "state.Set." + o.name
		all = append(all, crashlab.Case{
			Name: name, Covers: []string{name}, States: []string{"before", "after"},
			Play: func() crashlab.Play {
				p := &sets{}
				return crashlab.Play{
					Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover,
					Victim: func(*crashlab.Actor) error { return o.do(p.s) },
					Check: func(*crashlab.Actor) (string, error) {
						ok, err := p.s.Has(o.x)
						if ok == o.after {
							return "after", err
						}
						return "before", err
					},
				}
			},
		})
	}
	return all
}
