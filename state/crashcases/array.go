package crashcases

import (
	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// arrays are an Array of words and one of what is larger, of which one element each is looked at.
type arrays struct {
	thing
	w *state.Array[uint64]
	l *state.Array[sum]
}

const (
	elements = 3
	one      = 1 // the element that is looked at
)

func (v *arrays) setup(a *crashlab.Actor) error {
	w, err := state.NewArray[uint64](a.Segment, elements, shm.Named("words"))
	if err != nil {
		return err
	}
	l, err := state.NewArray[sum](a.Segment, elements, shm.Named("sums"))
	if err != nil {
		return err
	}
	if err := w.Store(one, before); err != nil {
		return err
	}
	return l.Store(one, sumOf(before))
}

func (v *arrays) open(a *crashlab.Actor) (err error) {
	if v.w, err = state.OpenArray[uint64](a.Segment, "words"); err != nil {
		return err
	}
	if v.l, err = state.OpenArray[sum](a.Segment, "sums"); err != nil {
		return err
	}
	v.word = func() (uint64, error) { return v.w.Load(one) }
	v.large = func() (sum, error) { return v.l.Load(one) }
	v.add = func(a *crashlab.Actor, delta uint64) error {
		if err := v.l.Update(a.Ctx, one, func(s *sum) error { *s = sumOf(s.A + delta); return nil }); err != nil {
			return err
		}
		_, err := state.AddAt(v.w, one, delta)
		return err
	}
	return nil
}

// storm changes both in all ways.
func (v *arrays) storm(a *crashlab.Actor) error {
	if _, err := v.both(); err != nil {
		return err
	}
	if err := v.w.Update(a.Ctx, one, func(n *uint64) error { *n = before; return nil }); err != nil {
		return err
	}
	if err := v.l.Fill(sumOf(before)); err != nil {
		return err
	}
	return v.l.Update(a.Ctx, one, func(s *sum) error { *s = sumOf(s.A); return nil })
}

func useArray(a *crashlab.Actor) error {
	v, err := state.OpenArray[sum](a.Segment, "new")
	if err != nil {
		return err
	}
	for _, s := range v.All() {
		if err := s.check(); err != nil {
			return err
		}
	}
	return v.Update(a.Ctx, one, func(s *sum) error { *s = sumOf(s.A + more); return nil })
}

func arrayCases() []crashlab.Case {
	there := []string{"absent", "there"}
	all := []crashlab.Case{
		making("state.NewArray", there, func(a *crashlab.Actor) error {
			_, err := state.NewArray[sum](a.Segment, elements, shm.Named("new"))
			return err
		}, useArray),
		making("state.OpenOrNewArray", there, func(a *crashlab.Actor) error {
			_, err := state.OpenOrNewArray[sum](a.Segment, "new", elements)
			return err
		}, useArray),
		{
			Name: "state.OpenArray",
			Covers: []string{
				"state.OpenArray", "state.ArrayFrom", "state.Array.Ref", "state.Array.Load", "state.Array.All",
				"state.Array.CopyTo", "state.Array.Slice",
			},
			Play: func() crashlab.Play {
				var v arrays
				return crashlab.Play{
					Setup: v.setup, Open: v.open, Recover: v.recover, Storm: v.storm,
					Victim: func(a *crashlab.Actor) error {
						w, err := state.OpenArray[uint64](a.Segment, "words")
						if err != nil {
							return err
						}
						if _, err := state.ArrayFrom[uint64](a.Segment, w.Ref()); err != nil {
							return err
						}
						for range v.l.All() {
						}
						if _, err := w.CopyTo(make([]uint64, elements), 0); err != nil {
							return err
						}
						s, err := w.Slice(one, elements)
						if err == nil {
							s[0] = before
						}
						return err
					},
				}
			},
		},
	}
	for _, op := range []operation[arrays]{
		{"state.Array.Store", theWord, func(v *arrays, _ *crashlab.Actor) error { return v.w.Store(one, after) }},
		{"state.Array.Store", theLarge, func(v *arrays, _ *crashlab.Actor) error { return v.l.Store(one, sumOf(after)) }},
		{"state.Array.Swap", theWord, func(v *arrays, _ *crashlab.Actor) error {
			was, err := v.w.Swap(one, after)
			return swapped(was, err, before)
		}},
		{"state.Array.Swap", theLarge, func(v *arrays, _ *crashlab.Actor) error {
			was, err := v.l.Swap(one, sumOf(after))
			return swapped(was, err, sumOf(before))
		}},
		{"state.Array.CompareAndSwap", theWord, func(v *arrays, _ *crashlab.Actor) error {
			return did(v.w.CompareAndSwap(one, before, after))
		}},
		{"state.Array.CompareAndSwap", theLarge, func(v *arrays, _ *crashlab.Actor) error {
			return did(v.l.CompareAndSwap(one, sumOf(before), sumOf(after)))
		}},
		{"state.Array.Update", theWord, func(v *arrays, a *crashlab.Actor) error {
			return v.w.Update(a.Ctx, one, func(n *uint64) error { *n = after; return nil })
		}},
		{"state.Array.Update", theLarge, func(v *arrays, a *crashlab.Actor) error {
			return v.l.Update(a.Ctx, one, func(s *sum) error { *s = sumOf(after); return nil })
		}},
		{"state.Array.Fill", theWord, func(v *arrays, _ *crashlab.Actor) error { return v.w.Fill(after) }},
		{"state.Array.Fill", theLarge, func(v *arrays, _ *crashlab.Actor) error { return v.l.Fill(sumOf(after)) }},
		{"state.Array.CopyFrom", theWord, func(v *arrays, _ *crashlab.Actor) error {
			return v.w.CopyFrom([]uint64{after, after}, one)
		}},
		{"state.Array.CopyFrom", theLarge, func(v *arrays, _ *crashlab.Actor) error {
			return v.l.CopyFrom([]sum{sumOf(after), sumOf(after)}, one)
		}},
		{"state.AddAt", theWord, func(v *arrays, _ *crashlab.Actor) error {
			_, err := state.AddAt(v.w, one, after-before)
			return err
		}},
	} {
		all = append(all, changing(op, func() (*arrays, *thing, crashlab.Play) {
			v := new(arrays)
			return v, &v.thing, crashlab.Play{Setup: v.setup, Open: v.open}
		}))
	}
	return all
}
