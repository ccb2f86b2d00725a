package crashcases

import (
	"errors"
	"fmt"
	"slices"

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
type mapping[T comparable] struct {
	content[T]
	m     *state.Map[T, T]
	stay  uint64 // so many others
	key   uint64
	added bool
	told  bool // that it has
}

func (p *mapping[T]) set(k, v uint64) error { return p.m.Set(p.Of(k), p.Of(v)) }

func (p *mapping[T]) get(k uint64) (v uint64, ok bool, err error) {
	x, ok, err := p.m.Get(p.Of(k))
	if err == nil && ok {
		v, err = p.Tell(x)
	}
	return v, ok, err
}

// add adds 1 to the value of a key.
func (p *mapping[T]) add(k uint64) error {
	return p.m.Update(p.Of(k), func(x *T, found bool) error {
		n, err := uint64(0), error(nil)
		if found {
			n, err = p.Tell(*x)
		}
		*x = p.Of(n + 1)
		return err
	})
}

func (p *mapping[T]) setup(a *crashlab.Actor) (err error) {
	if p.m, err = state.NewMap[T, T](a.Segment, shm.Named("map")); err != nil {
		return err
	}
	for k, v := range map[uint64]uint64{looked: before, ours: 0} {
		if err := p.set(k, v); err != nil {
			return err
		}
	}
	for i := range p.stay {
		if err := p.set(staying+i, staying+i); err != nil {
			return err
		}
	}
	return nil
}

func (p *mapping[T]) open(a *crashlab.Actor) (err error) {
	p.m, err = state.OpenMap[T, T](a.Segment, "map")
	return err
}

// recover reads all and changes another key, which nobody keeps it from, dead or stopped.
func (p *mapping[T]) recover(a *crashlab.Actor) error {
	if err := p.others(); err != nil {
		return err
	}
	if !p.added {
		if err := p.add(ours); err != nil {
			return err
		}
		p.added = true
	}
	if !a.Paused && !p.told { // what is said while the victim is stopped, nobody hears
		p.told = true
		a.Say("added")
	}
	return nil
}

// others sees to it that the keys that stay are there.
func (p *mapping[T]) others() error {
	all, err := p.m.Snapshot()
	if err != nil {
		return err
	}
	for i := range p.stay {
		k := staying + i
		if got, ok, err := p.get(k); err != nil || !ok || got != k || all[p.Of(k)] != p.Of(k) {
			return errors.Join(err, fmt.Errorf("key %d is %d, %v, and %v in a walk", k, got, ok, all[p.Of(k)]))
		}
	}
	return nil
}

// storm changes the key that is looked at in all ways, and leaves it as it was.
func (p *mapping[T]) storm(*crashlab.Actor) error {
	if _, err := p.m.Delete(p.Of(p.key)); err != nil {
		return err
	}
	if p.key == looked {
		return p.set(looked, before)
	}
	return nil
}

// check says what became of the key that is looked at.
func (p *mapping[T]) check(state func(v uint64, ok bool) string) func(*crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		if err := p.others(); err != nil {
			return "", err
		}
		// One who was killed while it recovered may have added, and has not said so.
		if n, _, err := p.get(ours); err != nil || int(n) < len(a.Said) || int(n) > len(a.Said)+a.Deaths {
			return "", errors.Join(err, fmt.Errorf("%d additions, %d said so, and %d deaths", n, len(a.Said), a.Deaths))
		}
		v, ok, err := p.get(p.key)
		if err != nil {
			return "", err
		}
		s := state(v, ok)
		if s == "" && !a.Stormy {
			err = fmt.Errorf("key %d is %d, %v", p.key, v, ok)
		}
		return s, err
	}
}

// sown are the keys that a survivor inserts in a table that has no memory yet: some of them in its first bucket.
const sown = 24

// empty is a Map whose first extent the operation links: it is in use when the one who links it dies.
func empty() crashlab.Play {
	p := &mapping[uint64]{content: crashlab.Words, key: absent}
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
type onMap[T comparable] struct {
	name, how string
	key, stay uint64
	state     func(uint64, bool) string
	do        func(p *mapping[T]) error
}

func (o onMap[T]) asCase(which string, c content[T]) crashlab.Case {
	name := o.name + which
	if o.how != "" {
		name += ", " + o.how
	}
	return crashlab.Case{
		Name: name, Covers: []string{o.name}, States: []string{"before", "after"},
		Play: func() crashlab.Play {
			p := &mapping[T]{content: c, stay: o.stay, key: o.key}
			return crashlab.Play{
				Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover, Storm: p.storm, Check: p.check(o.state),
				Victim: func(*crashlab.Actor) error { return o.do(p) },
			}
		},
	}
}

// cleared is a Map that is cleared: all that was there at first is, or nothing.
func cleared[T comparable](how string, c content[T], which string, stay uint64, do func(*mapping[T]) error) crashlab.Case {
	return crashlab.Case{
		Name: "state.Map.Clear" + which + how, Covers: []string{"state.Map.Clear"}, States: []string{"before", "after"},
		Play: func() crashlab.Play {
			p := &mapping[T]{content: c, stay: stay, key: looked}
			return crashlab.Play{
				Room: 1 << 18, Setup: p.setup, Open: p.open,
				Victim: func(*crashlab.Actor) error { return do(p) },
				Recover: func(a *crashlab.Actor) error {
					if _, err := p.left(); err != nil || p.added {
						return err
					}
					p.added = true
					return p.set(ours, after)
				},
				// A change of one key, which is there before and behind it.
				Storm: func(*crashlab.Actor) error { return p.set(ours, after) },
				Check: func(a *crashlab.Actor) (string, error) {
					s := "before"
					switch n, err := p.left(); {
					case err != nil:
						return "", err
					case n == 0:
						s = "after"
					case n < p.stay:
						return "", fmt.Errorf("%d of %d keys are there", n, p.stay)
					}
					// Whatever is left to do is done, and nothing comes back.
					if err := p.m.Clear(); err != nil {
						return "", err
					}
					if n, err := p.m.Len(); n > 0 || err != nil {
						return "", errors.Join(err, fmt.Errorf("%d keys are in a map that is clear", n))
					}
					return s, nil
				},
			}
		},
	}
}

// left is how many of the keys that were there at first are there. Once one is missing, so are all: they go at once.
func (p *mapping[T]) left() (n uint64, err error) {
	all, err := p.m.Snapshot()
	if err != nil {
		return 0, err
	}
	gone := uint64(len(all)) < p.stay
	for i := range p.stay {
		k := staying + i
		v, ok, err := p.get(k)
		if err != nil || ok && (v != k || gone) {
			return 0, errors.Join(err, fmt.Errorf("key %d is %d, and others are gone", k, v))
		}
		if gone = !ok; ok {
			n++
		}
	}
	return n, nil
}

// few others stay in a Map whose table does not grow.
const few = 5

func mapCases() []crashlab.Case {
	there := []string{"absent", "there"}
	made := []crashlab.Case{
		making("state.NewMap", there, func(a *crashlab.Actor) error {
			_, err := state.NewMap[uint64, uint64](a.Segment, shm.Named("new"))
			return err
		}, useMap),
		making("state.OpenOrNewMap", there, func(a *crashlab.Actor) error {
			_, err := state.OpenOrNewMap[uint64, uint64](a.Segment, "new")
			return err
		}, useMap),
		{
			Name: "state.Map.Set, the first extent", Covers: []string{"state.Map.Set"}, States: []string{"before", "after"}, Play: empty,
		},
		onMap[uint64]{"state.AddTo", "", looked, few, changed, func(p *mapping[uint64]) error {
			_, err := state.AddTo(p.m, p.key, after-before)
			return err
		}}.asCase("", crashlab.Words),
	}
	return slices.Concat(made, mapCasesOf("", crashlab.Words), mapCasesOf(", of texts", inTexts))
}

// mapCasesOf are the cases of a Map with keys and values of that content.
func mapCasesOf[T comparable](which string, c content[T]) []crashlab.Case {
	inserts := uint64(12)
	if which != "" {
		inserts = 2 // each takes many more instructions
	}
	set := func(v uint64) func(p *mapping[T]) error { return func(p *mapping[T]) error { return p.set(p.key, v) } }
	all := []crashlab.Case{
		{
			Name: "state.OpenMap" + which,
			Covers: []string{
				"state.OpenMap", "state.MapFrom", "state.Map.Ref", "state.Map.Get", "state.Map.All", "state.Map.Keys",
				"state.Map.Values", "state.Map.Snapshot", "state.Map.Len",
			},
			Play: func() crashlab.Play {
				p := &mapping[T]{content: c, stay: few, key: looked}
				return crashlab.Play{
					Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover, Storm: p.storm,
					Victim: func(a *crashlab.Actor) error {
						m, err := state.OpenMap[T, T](a.Segment, "map")
						if err != nil {
							return err
						}
						if _, err := state.MapFrom[T, T](a.Segment, m.Ref()); err != nil {
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
		cleared("", c, which, few, func(p *mapping[T]) error { return p.m.Clear() }),
		cleared(", while the table grows", c, which, 85, func(p *mapping[T]) error {
			if err := p.set(absent, after); err != nil {
				return err
			}
			return p.m.Clear()
		}),
	}
	for _, o := range []onMap[T]{
		{"state.Map.Set", "a key that is there", looked, few, changed, set(after)},
		{"state.Map.Set", "a new key", absent, few, inserted, set(after)},
		{"state.Map.Set", "the first key of a table", absent, 0, inserted, set(after)},
		{"state.Map.Set", "while the table grows", absent, 85, inserted, func(p *mapping[T]) error {
			// Each of these moves buckets.
			for i := range inserts {
				if err := p.set(1000+i, 1); err != nil {
					return err
				}
			}
			return p.set(p.key, after)
		}},
		{"state.Map.Swap", "", looked, few, changed, func(p *mapping[T]) error {
			x, _, err := p.m.Swap(p.Of(p.key), p.Of(after))
			return p.Took(x, err, before)
		}},
		{"state.Map.Delete", "", looked, few, deleted, func(p *mapping[T]) error { return did(p.m.Delete(p.Of(p.key))) }},
		{"state.Map.GetOrSet", "", absent, few, inserted, func(p *mapping[T]) error {
			_, _, err := p.m.GetOrSet(p.Of(p.key), p.Of(after))
			return err
		}},
		{"state.Map.CompareAndSwap", "", looked, few, changed, func(p *mapping[T]) error {
			return did(p.m.CompareAndSwap(p.Of(p.key), p.Of(before), p.Of(after)))
		}},
		{"state.Map.CompareAndDelete", "", looked, few, deleted, func(p *mapping[T]) error {
			return did(p.m.CompareAndDelete(p.Of(p.key), p.Of(before)))
		}},
		{"state.Map.Update", "", looked, few, changed, func(p *mapping[T]) error {
			return p.m.Update(p.Of(p.key), func(v *T, _ bool) error { *v = p.Of(after); return nil })
		}},
	} {
		all = append(all, o.asCase(which, c))
	}
	return all
}
