package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// spaces are a Namespace in a trial: with one attribute that is looked at, and one that survivors change.
type spaces struct{ ns *state.Namespace }

func (p *spaces) setup(a *crashlab.Actor) (err error) {
	if p.ns, err = state.NewNamespace(a.Segment, shm.Named("namespace")); err != nil {
		return err
	}
	return errors.Join(state.Put(p.ns, member, uint64(before)), state.Put(p.ns, "ours", "a text"))
}

func (p *spaces) open(a *crashlab.Actor) (err error) {
	p.ns, err = state.OpenNamespace(a.Segment, "namespace")
	return err
}

// recover uses the Namespace beside what the dead one was at: it gives the other attribute another type.
func (p *spaces) recover(*crashlab.Actor) error {
	if err := state.Put(p.ns, "ours", 7); err != nil {
		return err
	}
	if n, ok, err := state.Get[int](p.ns, "ours"); err != nil || !ok || n != 7 {
		return errors.Join(err, fmt.Errorf("what was put is %d, %v", n, ok))
	}
	return nil
}

func useNamespace(a *crashlab.Actor) error {
	ns, err := state.OpenNamespace(a.Segment, "new")
	if err != nil {
		return err
	}
	return state.Put(ns, member, uint64(before))
}

func namespaceCases() []crashlab.Case {
	there := []string{"absent", "there"}
	all := []crashlab.Case{
		making("state.NewNamespace", there, func(a *crashlab.Actor) error {
			_, err := state.NewNamespace(a.Segment, shm.Named("new"))
			return err
		}, useNamespace),
		making("state.OpenOrNewNamespace", there, func(a *crashlab.Actor) error {
			_, err := state.OpenOrNewNamespace(a.Segment, "new")
			return err
		}, useNamespace),
		{
			Name: "state.OpenNamespace",
			Covers: []string{
				"state.OpenNamespace", "state.NamespaceFrom", "state.Namespace.Ref", "state.Get", "state.Namespace.All",
				"state.Namespace.Len", "state.Namespace.Names",
			},
			Play: func() crashlab.Play {
				p := &spaces{}
				return crashlab.Play{
					Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover,
					Victim: func(a *crashlab.Actor) error {
						ns, err := state.OpenNamespace(a.Segment, "namespace")
						if err != nil {
							return err
						}
						if ns, err = state.NamespaceFrom(a.Segment, ns.Ref()); err != nil {
							return err
						}
						for range ns.All() {
						}
						_, failed := ns.Len()
						_, unlisted := ns.Names()
						_, _, err = state.Get[uint64](ns, member)
						return errors.Join(failed, unlisted, err)
					},
				}
			},
		},
	}
	for _, o := range []struct {
		name string
		do   func(*state.Namespace) error
		told func(ns *state.Namespace) (done bool, err error)
	}{
		{
			"state.Put", func(ns *state.Namespace) error { return state.Put(ns, member, "another type") },
			func(ns *state.Namespace) (bool, error) {
				text, _, err := state.Get[string](ns, member)
				return text == "another type", err
			},
		},
		{
			"state.Change", func(ns *state.Namespace) error {
				return state.Change(ns, member, func(v *uint64, _ bool) error { *v = after; return nil })
			},
			func(ns *state.Namespace) (bool, error) {
				v, _, err := state.Get[uint64](ns, member)
				return v == after, err
			},
		},
		{
			"state.Namespace.Delete", func(ns *state.Namespace) error { return did(ns.Delete(member)) },
			func(ns *state.Namespace) (bool, error) {
				_, ok, err := state.Get[uint64](ns, member)
				return !ok, err
			},
		},
		{
			"state.Namespace.Clear", func(ns *state.Namespace) error { return ns.Clear() },
			func(ns *state.Namespace) (bool, error) {
				_, ok, err := state.Get[uint64](ns, member)
				return !ok, err
			},
		},
	} {
		all = append(all, crashlab.Case{
			Name: o.name, Covers: []string{o.name}, States: []string{"before", "after"},
			Play: func() crashlab.Play {
				p := &spaces{}
				return crashlab.Play{
					Room: 1 << 18, Setup: p.setup, Open: p.open, Recover: p.recover,
					Victim: func(*crashlab.Actor) error { return o.do(p.ns) },
					Check: func(*crashlab.Actor) (string, error) {
						done, err := o.told(p.ns)
						if done {
							return "after", err
						}
						if errors.Is(err, state.ErrType) { // the number is still there
							err = nil
						}
						return "before", err
					},
				}
			},
		})
	}
	return all
}
