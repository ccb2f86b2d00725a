package crashcases

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// nests are objects in others in a trial: in a Map, a List and a Namespace lies one list each, which was destroyed, so that it is there as
// long as it lies there. In the end all is taken out, and no more blocks may be in use than before.
type nests struct {
	base   *state.Value[uint64] // blocks in use when nothing lies in the three
	m      *state.Map[string, shm.Ref]
	l      *state.List[shm.Ref]
	ns     *state.Namespace
	spare  *state.List[string] // one that lies nowhere, and was not destroyed
	blocks uint64
}

// inner makes a list of two texts.
func (p *nests) inner(seg *shm.Segment, opts ...shm.ObjectOption) (*state.List[string], error) {
	l, err := state.NewList[string](seg, opts...)
	if err == nil {
		err = l.Append("one", "two")
	}
	return l, err
}

func (p *nests) setup(a *crashlab.Actor) (err error) {
	if p.base, err = state.NewValue[uint64](a.Segment, 0, shm.Named("base")); err != nil {
		return err
	}
	var failed [3]error
	p.m, failed[0] = state.NewMap[string, shm.Ref](a.Segment, shm.Named("map"))
	p.l, failed[1] = state.NewList[shm.Ref](a.Segment, shm.Named("list"))
	p.ns, failed[2] = state.NewNamespace(a.Segment, shm.Named("namespace"))
	if err := errors.Join(failed[:]...); err != nil {
		return err
	}
	if p.spare, err = p.inner(a.Segment, shm.Named("spare")); err != nil {
		return err
	}
	if err := errors.Join(p.empty(), p.base.Store(a.Segment.Stats().Blocks)); err != nil {
		return err
	}
	for _, store := range []func(*state.List[string]) error{
		func(l *state.List[string]) error { return p.m.Set("x", l.Ref()) },
		func(l *state.List[string]) error { return p.l.Append(l.Ref()) },
		func(l *state.List[string]) error { return state.Put(p.ns, "x", l) },
	} {
		l, err := p.inner(a.Segment)
		if err == nil {
			err = errors.Join(store(l), a.Segment.Destroy(l.Ref()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// empty takes all out of the three, having written once more where one may have died.
func (p *nests) empty() error {
	return errors.Join(p.m.Set("x", shm.Ref{}), did(p.m.Delete("x")), p.l.Append(shm.Ref{}), p.l.Clear(),
		state.Put(p.ns, "x", 1), did(p.ns.Delete("x")))
}

// drained empties the three, and holds the heap against what it was.
func (p *nests) drained(a *crashlab.Actor) error {
	if err := errors.Join(settle(a), p.empty(), settle(a)); err != nil {
		return err
	}
	if now := a.Segment.Stats().Blocks; now != p.blocks {
		return fmt.Errorf("%d blocks are in use, and %d were", now, p.blocks)
	}
	return nil
}

func (p *nests) open(a *crashlab.Actor) (err error) {
	var failed [5]error
	p.base, failed[0] = state.OpenValue[uint64](a.Segment, "base")
	p.m, failed[1] = state.OpenMap[string, shm.Ref](a.Segment, "map")
	p.l, failed[2] = state.OpenList[shm.Ref](a.Segment, "list")
	p.ns, failed[3] = state.OpenNamespace(a.Segment, "namespace")
	p.spare, failed[4] = state.OpenList[string](a.Segment, "spare")
	if p.base != nil && p.blocks == 0 {
		p.blocks, err = p.base.Load()
	}
	return errors.Join(errors.Join(failed[:]...), err)
}

// settle has all that the dead had swept: whoever finds no memory does so.
func settle(a *crashlab.Actor) error {
	if _, err := a.Segment.Alloc(1 << 30); !errors.Is(err, shm.ErrNoSpace) {
		return fmt.Errorf("a gibibyte: %w", err)
	}
	return nil
}

// reached reads the list that a Ref names, if it is to be there.
func reached(a *crashlab.Actor, ref shm.Ref) error {
	l, err := state.ListFrom[string](a.Segment, ref)
	if err != nil {
		return err
	}
	all, err := l.Snapshot()
	if err == nil && fmt.Sprint(all) != "[one two]" {
		err = fmt.Errorf("the list is %q", all)
	}
	return err
}

// survey says how many lists lie in the three, all of which must be whole.
func (p *nests) survey(a *crashlab.Actor) (n uint64, err error) {
	var refs []shm.Ref
	if ref, ok, failed := p.m.Get("x"); ok || failed != nil {
		refs, err = append(refs, ref), errors.Join(err, failed)
	}
	all, failed := p.l.Snapshot()
	refs, err = append(refs, all...), errors.Join(err, failed)
	if l, ok, failed := state.Get[*state.List[string]](p.ns, "x"); failed != nil {
		err = errors.Join(err, failed)
	} else if ok {
		refs = append(refs, l.Ref())
	}
	for _, ref := range refs {
		if ref != p.spare.Ref() {
			n++
		}
		err = errors.Join(err, reached(a, ref))
	}
	return n, err
}

func nestingCases() []crashlab.Case {
	var all []crashlab.Case
	for _, o := range []struct {
		name string
		do   func(p *nests) error
	}{
		{"state.Map.Delete, of the last Ref", func(p *nests) error { return did(p.m.Delete("x")) }},
		{"state.Map.Set, of a Ref in the place of the last", func(p *nests) error { return p.m.Set("x", p.spare.Ref()) }},
		{"state.List.Pop, of the last Ref", func(p *nests) error { _, err := p.l.Pop(); return err }},
		{"state.List.Append, of a Ref", func(p *nests) error { return p.l.Append(p.spare.Ref()) }},
		{"state.Put, in the place of the last handle", func(p *nests) error { return state.Put(p.ns, "x", p.spare) }},
	} {
		all = append(all, crashlab.Case{
			Name: o.name, Covers: []string{strings.Split(o.name, ",")[0]}, States: []string{"before", "after"},
			Play: func() crashlab.Play {
				p := &nests{}
				return crashlab.Play{
					Room: 1 << 18, Setup: p.setup, Open: p.open,
					Victim:  func(*crashlab.Actor) error { return o.do(p) },
					Recover: func(a *crashlab.Actor) error { return errors.Join(reached(a, p.spare.Ref()), settle(a)) },
					Check: func(a *crashlab.Actor) (string, error) {
						state := "after"
						n, err := p.survey(a)
						if n == 3 && !p.appended() {
							state = "before"
						}
						return state, errors.Join(err, p.drained(a))
					},
				}
			},
		})
	}
	all = append(all, crashlab.Case{
		Name: "shm.Segment.Destroy, of a state.Namespace with what it has", Covers: []string{"shm.Segment.Destroy"}, States: []string{"before", "after"},
		Play: func() crashlab.Play {
			p := &nests{}
			var there uint64 // blocks beside those of the namespace
			return crashlab.Play{
				Room: 1 << 18, Setup: p.setup,
				Open: func(a *crashlab.Actor) error {
					there = a.Segment.Stats().Blocks
					return p.open(a)
				},
				Victim:  func(a *crashlab.Actor) error { return a.Segment.Destroy(p.ns.Ref()) },
				Recover: func(a *crashlab.Actor) error { return errors.Join(reached(a, p.spare.Ref()), settle(a)) },
				Check: func(a *crashlab.Actor) (string, error) {
					if err := settle(a); err != nil { // who recovered may have done so before the death
						return "", err
					}
					now := a.Segment.Stats().Blocks
					if _, err := state.OpenNamespace(a.Segment, "namespace"); !errors.Is(err, shm.ErrNotExist) {
						n, failed := p.survey(a)
						if n != 3 || now != there {
							failed = errors.Join(failed, fmt.Errorf("%d lists, in %d blocks of %d", n, now, there))
						}
						return "before", errors.Join(err, failed)
					}
					// Its own block, its row's list, one extent, a box; and four of the list that lay in it.
					if gone := there - now; gone != 8 {
						return "after", fmt.Errorf("%d blocks are gone", gone)
					}
					return "after", shm.Check(a.Segment)
				},
			}
		},
	})
	return all
}

// appended reports whether a Ref was appended to the list.
func (p *nests) appended() bool {
	n, err := p.l.Len()
	return err == nil && n > 1
}
