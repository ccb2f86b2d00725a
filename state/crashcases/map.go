package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// A Map in a trial has one key that is looked at, one of which survivors change the value, and others that stay as they
// are, and must be there once each.
const (
	looked  = 1
	ours    = 2
	absent  = 3 // of keys that are looked at, for operations that insert
	staying = 100
)

// mapping is a Map in a trial, as each process sees it.
type mapping struct {
	m     *state.Map[uint64, uint64]
	stay  uint64 // so many others
	key   uint64
	added bool
}

func (p *mapping) setup(a *crashlab.Actor) error {
	m, err := state.NewMap[uint64, uint64](a.Segment, shm.Named("map"))
	if err != nil {
		return err
	}
	for k, v := range map[uint64]uint64{looked: before, ours: 0} {
		if err := m.Set(k, v); err != nil {
			return err
		}
	}
	for i := range p.stay {
		if err := m.Set(staying+i, staying+i); err != nil {
			return err
		}
	}
	return nil
}

func (p *mapping) open(a *crashlab.Actor) (err error) {
	p.m, err = state.OpenMap[uint64, uint64](a.Segment, "map")
	return err
}

// recover reads all and changes another key, which nobody keeps it from, dead or stopped.
func (p *mapping) recover(a *crashlab.Actor) error {
	if err := p.others(); err != nil {
		return err
	}
	if p.added {
		return nil
	}
	if _, err := state.AddTo(p.m, ours, 1); err != nil {
		return err
	}
	p.added = true
	a.Say("added")
	return nil
}

// others sees to it that the keys that stay are there.
func (p *mapping) others() error {
	all, err := p.m.Snapshot()
	if err != nil {
		return err
	}
	for i := range p.stay {
		k := staying + i
		if got, ok, err := p.m.Get(k); err != nil || !ok || got != k || all[k] != k {
			return errors.Join(err, fmt.Errorf("key %d is %d, %v, and %d in a walk", k, got, ok, all[k]))
		}
	}
	return nil
}

// storm changes the key that is looked at in all ways, and leaves it as it was.
func (p *mapping) storm(*crashlab.Actor) error {
	if _, err := p.m.Delete(p.key); err != nil {
		return err
	}
	if p.key == looked {
		return p.m.Set(looked, before)
	}
	return nil
}

// check says what became of the key that is looked at.
func (p *mapping) check(state func(v uint64, ok bool) string) func(*crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		if err := p.others(); err != nil {
			return "", err
		}
		// One who was killed while it recovered may have added, and has not said so.
		if n, _, err := p.m.Get(ours); err != nil || int(n) < len(a.Said) || int(n) > len(a.Said)+a.Deaths {
			return "", errors.Join(err, fmt.Errorf("%d additions, %d said so, and %d deaths", n, len(a.Said), a.Deaths))
		}
		v, ok, err := p.m.Get(p.key)
		if err != nil {
			return "", err
		}
		s := state(v, ok)
		if s == "" {
			err = fmt.Errorf("key %d is %d, %v", p.key, v, ok)
		}
		return s, err
	}
}

// sown are the keys that a survivor inserts in a table that has no memory yet: some of them in its first bucket.
const sown = 24

// empty is a Map whose first extent the operation links: it is in use when the one who links it dies.
func empty() crashlab.Play {
	p := &mapping{key: absent}
	all := func() error {
		for k := uint64(staying); k < staying+sown; k++ {
			if got, ok, err := p.m.Get(k); err != nil || !ok || got != k {
				return errors.Join(err, fmt.Errorf("key %d is %d, %v", k, got, ok))
			}
		}
		return nil
	}
	return crashlab.Play{
		Room: 1 << 18, Open: p.open, Storm: p.storm,
		Setup: func(a *crashlab.Actor) error {
			_, err := state.NewMap[uint64, uint64](a.Segment, shm.Named("map"))
			return err
		},
		Victim: func(*crashlab.Actor) error { return p.m.Set(absent, after) },
		Recover: func(a *crashlab.Actor) error {
			for k := uint64(staying); k < staying+sown && !p.added; k++ {
				if err := p.m.Set(k, k); err != nil {
					return err
				}
			}
			if !p.added {
				p.added = true
				a.Say("sown")
			}
			return all()
		},
		Check: func(a *crashlab.Actor) (string, error) {
			if len(a.Said) > 0 {
				if err := all(); err != nil {
					return "", err
				}
			}
			v, ok, err := p.m.Get(absent)
			if err != nil {
				return "", err
			}
			s := inserted(v, ok)
			if s == "" {
				err = fmt.Errorf("key %d is %d, %v", uint64(absent), v, ok)
			}
			return s, err
		},
	}
}

func changed(v uint64, ok bool) string {
	switch {
	case ok && v == before:
		return "before"
	case ok && v == after:
		return "after"
	}
	return ""
}

func inserted(v uint64, ok bool) string {
	switch {
	case !ok:
		return "before"
	case v == after:
		return "after"
	}
	return ""
}

func deleted(v uint64, ok bool) string {
	switch {
	case !ok:
		return "after"
	case v == before:
		return "before"
	}
	return ""
}

func useMap(a *crashlab.Actor) error {
	m, err := state.OpenMap[uint64, uint64](a.Segment, "new")
	if err != nil {
		return err
	}
	if _, err = state.AddTo(m, ours, 1); err != nil {
		return err
	}
	_, _, err = m.Get(looked)
	return err
}

// onMap is an operation on the key that is looked at.
type onMap struct {
	name, how string
	key, stay uint64
	state     func(uint64, bool) string
	do        func(p *mapping) error
}

func (o onMap) asCase() crashlab.Case {
	name := o.name
	if o.how != "" {
		name += ", " + o.how
	}
	return crashlab.Case{
		Name: name, Covers: []string{o.name}, States: []string{"before", "after"},
		Play: func() crashlab.Play {
			p := &mapping{stay: o.stay, key: o.key}
			return crashlab.Play{
				Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover, Storm: p.storm, Check: p.check(o.state),
				Victim: func(*crashlab.Actor) error { return o.do(p) },
			}
		},
	}
}

func mapCases() []crashlab.Case {
	there := []string{"absent", "there"}
	const few = 5
	set := func(v uint64) func(p *mapping) error { return func(p *mapping) error { return p.m.Set(p.key, v) } }
	all := []crashlab.Case{
		making("state.NewMap", there, func(a *crashlab.Actor) error {
			_, err := state.NewMap[uint64, uint64](a.Segment, shm.Named("new"))
			return err
		}, useMap),
		making("state.OpenOrNewMap", there, func(a *crashlab.Actor) error {
			_, err := state.OpenOrNewMap[uint64, uint64](a.Segment, "new")
			return err
		}, useMap),
		{
			Name: "state.OpenMap",
			Covers: []string{
				"state.OpenMap", "state.MapFrom", "state.Map.Ref", "state.Map.Get", "state.Map.All", "state.Map.Keys",
				"state.Map.Values", "state.Map.Snapshot", "state.Map.Len",
			},
			Play: func() crashlab.Play {
				p := &mapping{stay: few, key: looked}
				return crashlab.Play{
					Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover, Storm: p.storm,
					Victim: func(a *crashlab.Actor) error {
						m, err := state.OpenMap[uint64, uint64](a.Segment, "map")
						if err != nil {
							return err
						}
						if _, err := state.MapFrom[uint64, uint64](a.Segment, m.Ref()); err != nil {
							return err
						}
						for range m.Keys() {
						}
						for range m.Values() {
						}
						_, err = m.Len()
						return errors.Join(err, p.others())
					},
				}
			},
		},
		{
			Name: "state.Map.Clear", Covers: []string{"state.Map.Clear"},
			Play: func() crashlab.Play {
				p := &mapping{stay: few, key: looked}
				return crashlab.Play{
					Room: 1 << 18, Setup: p.setup, Open: p.open, Storm: p.storm,
					Victim: func(*crashlab.Actor) error { return p.m.Clear() },
					Recover: func(*crashlab.Actor) error {
						for k, v := range p.m.All() {
							if got, ok, err := p.m.Get(k); err != nil || ok && got != v {
								return errors.Join(err, fmt.Errorf("key %d is %d, and %d in a walk", k, got, v))
							}
						}
						return p.m.Set(absent, after)
					},
				}
			},
		},
	}
	all = append(all, crashlab.Case{
		Name: "state.Map.Set, the first extent", Covers: []string{"state.Map.Set"}, States: []string{"before", "after"}, Play: empty,
	})
	for _, o := range []onMap{
		{"state.Map.Set", "a key that is there", looked, few, changed, set(after)},
		{"state.Map.Set", "a new key", absent, few, inserted, set(after)},
		{"state.Map.Set", "the first key of a table", absent, 0, inserted, set(after)},
		{"state.Map.Set", "while the table grows", absent, 85, inserted, func(p *mapping) error {
			// Each of these moves buckets.
			for i := range uint64(12) {
				if err := p.m.Set(1000+i, 1); err != nil {
					return err
				}
			}
			return p.m.Set(p.key, after)
		}},
		{"state.Map.Swap", "", looked, few, changed, func(p *mapping) error {
			was, _, err := p.m.Swap(p.key, after)
			return swapped(was, err, before)
		}},
		{"state.Map.Delete", "", looked, few, deleted, func(p *mapping) error { return did(p.m.Delete(p.key)) }},
		{"state.Map.GetOrSet", "", absent, few, inserted, func(p *mapping) error {
			_, _, err := p.m.GetOrSet(p.key, after)
			return err
		}},
		{"state.Map.CompareAndSwap", "", looked, few, changed, func(p *mapping) error {
			return did(p.m.CompareAndSwap(p.key, before, after))
		}},
		{"state.Map.CompareAndDelete", "", looked, few, deleted, func(p *mapping) error {
			return did(p.m.CompareAndDelete(p.key, before))
		}},
		{"state.Map.Update", "", looked, few, changed, func(p *mapping) error {
			return p.m.Update(p.key, func(v *uint64, _ bool) error { *v = after; return nil })
		}},
		{"state.AddTo", "", looked, few, changed, func(p *mapping) error {
			_, err := state.AddTo(p.m, p.key, after-before)
			return err
		}},
	} {
		all = append(all, o.asCase())
	}
	return all
}
