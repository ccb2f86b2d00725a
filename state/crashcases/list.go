package crashcases

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// lists are a List of what is larger than a word, or of what is no plain memory, as each process sees it.
type lists[T any] struct {
	content[T]
	l     *state.List[T]
	added bool
}

type content[T any] = crashlab.Content[T]

var (
	inSums = content[sum]{Of: sumOf, Tell: func(s sum) (uint64, error) { return s.A, s.check() }}
	// inTexts has several lengths, which take blocks of several classes.
	inTexts = crashlab.Texts(func(n uint64) int { return int(n%7) * 30 })
)

// The elements at first. The block has room for one more, so that operations come that stay in it, and others that need
// another one.
var begun = []uint64{1, 2, 3, 4}

func (v *lists[T]) setup(a *crashlab.Actor) error {
	l, err := state.NewList[T](a.Segment, shm.Named("list"))
	if err != nil {
		return err
	}
	return l.Append(v.All(begun...)...)
}

func (v *lists[T]) open(a *crashlab.Actor) (err error) {
	v.l, err = state.OpenList[T](a.Segment, "list")
	return err
}

// elements are those of the list, each whole.
func (v *lists[T]) elements() (all []uint64, err error) {
	elements, err := v.l.Snapshot()
	for _, x := range elements {
		n, wrong := v.Tell(x)
		err = errors.Join(err, wrong)
		all = append(all, n)
	}
	return all, err
}

// recover reads, which nobody keeps it from, and adds an element, which one who is stopped may keep it from.
func (v *lists[T]) recover(a *crashlab.Actor) error {
	all, err := v.elements()
	if err != nil {
		return err
	}
	if n, err := v.l.Len(); err != nil || n < len(all) && !slices.Contains(all, more) {
		return errors.Join(err, fmt.Errorf("%d elements, and then %d", len(all), n))
	}
	if v.added || a.Paused { // it is the victim's turn, who may have the lock
		return nil
	}
	if err := v.l.Append(v.Of(more)); err != nil {
		return err
	}
	v.added = true
	a.Say("added")
	return nil
}

// judge is "before" or "after", as the elements say that are not those that survivors added. Then all are
// removed, and nothing is left.
func (v *lists[T]) judge(after []uint64) func(*crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		all, err := v.elements()
		if err != nil {
			return "", err
		}
		rest := slices.DeleteFunc(slices.Clone(all), func(n uint64) bool { return n == more })
		// One who was killed while it recovered may have added, and has not said so.
		if added := len(all) - len(rest); added < len(a.Said) || added > len(a.Said)+a.Deaths {
			return "", fmt.Errorf("%v with %d additions, and %d deaths", all, len(a.Said), a.Deaths)
		}
		// The next change frees what the dead has left.
		if err := v.l.Clear(); err != nil {
			return "", err
		}
		if n := a.Segment.Stats().Blocks; n != 1 {
			return "", fmt.Errorf("%d blocks in the segment, and not the list alone", n)
		}
		switch {
		case slices.Equal(rest, begun):
			return "before", nil
		case slices.Equal(rest, after):
			return "after", nil
		}
		return "", fmt.Errorf("the list is %v", all)
	}
}

// storm changes the list in all ways.
func (v *lists[T]) storm(a *crashlab.Actor) error {
	if _, err := v.elements(); err != nil {
		return err
	}
	for _, f := range []func() error{
		func() error { return v.l.Append(v.All(5, 6)...) },
		func() error { return v.l.Prepend(v.Of(7)) },
		v.l.Reverse,
		func() error { _, err := v.l.Pop(); return unlessEmpty(err) },
		func() error { return v.l.Insert(1, v.All(8, 9)...) },
		func() error { return v.l.Store(0, v.Of(10)) },
		func() error { _, err := v.l.PopFront(); return unlessEmpty(err) },
		func() error { return v.l.Edit(a.Ctx, func([]T) ([]T, error) { return v.All(begun...), nil }) },
	} {
		if err := f(); err != nil && !errors.Is(err, state.ErrRange) { // others may have emptied it
			return err
		}
	}
	return nil
}

func unlessEmpty(err error) error {
	if errors.Is(err, state.ErrEmpty) {
		return nil
	}
	return err
}

func useList(a *crashlab.Actor) error {
	l, err := state.OpenList[sum](a.Segment, "new")
	if err != nil {
		return err
	}
	if err := l.Append(sumOf(more)); err != nil {
		return err
	}
	for _, s := range l.All() {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

func listCases() []crashlab.Case {
	there := []string{"absent", "there"}
	made := []crashlab.Case{
		making("state.NewList", there, func(a *crashlab.Actor) error {
			_, err := state.NewList[sum](a.Segment, shm.Named("new"))
			return err
		}, useList),
		making("state.OpenOrNewList", there, func(a *crashlab.Actor) error {
			_, err := state.OpenOrNewList[sum](a.Segment, "new")
			return err
		}, useList),
	}
	return slices.Concat(made, listCasesOf("", inSums), listCasesOf(", of texts", inTexts))
}

// listCasesOf are the cases of a list with that content.
func listCasesOf[T any](which string, c content[T]) []crashlab.Case {
	all := []crashlab.Case{{
		Name: "state.OpenList" + which,
		Covers: []string{
			"state.OpenList", "state.ListFrom", "state.List.Ref", "state.List.Load", "state.List.All", "state.List.Len",
			"state.List.Slice", "state.List.Snapshot", "state.List.Index", "state.List.Contains", "state.List.Count",
		},
		Play: func() crashlab.Play {
			v := lists[T]{content: c}
			return crashlab.Play{
				Setup: v.setup, Open: v.open, Recover: v.recover, Storm: v.storm,
				Victim: func(a *crashlab.Actor) error {
					l, err := state.OpenList[T](a.Segment, "list")
					if err != nil {
						return err
					}
					if l, err = state.ListFrom[T](a.Segment, l.Ref()); err != nil {
						return err
					}
					for range l.All() {
					}
					if _, err := l.Slice(1, 2); err != nil {
						return err
					}
					_, err = l.Count(v.Of(1))
					return err
				},
			}
		},
	}}
	for _, op := range []struct {
		name, how string
		after     []uint64
		do        func(l *state.List[T], a *crashlab.Actor) error
	}{
		{"Store", "", []uint64{1, 9, 3, 4}, func(l *state.List[T], _ *crashlab.Actor) error { return l.Store(1, c.Of(9)) }},
		{"Update", "", []uint64{9, 2, 3, 4}, func(l *state.List[T], a *crashlab.Actor) error {
			return l.Update(a.Ctx, 0, func(x *T) error { *x = c.Of(9); return nil })
		}},
		{"Append", "one for which there is room", []uint64{1, 2, 3, 4, 9}, func(l *state.List[T], _ *crashlab.Actor) error {
			return l.Append(c.Of(9))
		}},
		{"Append", "more than there is room for", []uint64{1, 2, 3, 4, 7, 8, 9, 5}, func(l *state.List[T], _ *crashlab.Actor) error {
			return l.Append(c.All(7, 8, 9, 5)...)
		}},
		{"Prepend", "around the end", []uint64{9, 1, 2, 3, 4}, func(l *state.List[T], _ *crashlab.Actor) error {
			return l.Prepend(c.Of(9))
		}},
		{"Insert", "", []uint64{1, 2, 9, 3, 4}, func(l *state.List[T], _ *crashlab.Actor) error { return l.Insert(2, c.Of(9)) }},
		{"Delete", "in the middle", []uint64{1, 4}, func(l *state.List[T], _ *crashlab.Actor) error { return l.Delete(1, 3) }},
		{"Delete", "what leaves little", []uint64{4}, func(l *state.List[T], _ *crashlab.Actor) error { return l.Delete(0, 3) }},
		{"Replace", "", []uint64{1, 7, 8, 9, 4}, func(l *state.List[T], _ *crashlab.Actor) error {
			return l.Replace(1, 3, c.All(7, 8, 9)...)
		}},
		{"Pop", "", []uint64{1, 2, 3}, func(l *state.List[T], _ *crashlab.Actor) error {
			x, err := l.Pop()
			return c.Took(x, err, 4)
		}},
		{"PopFront", "", []uint64{2, 3, 4}, func(l *state.List[T], _ *crashlab.Actor) error {
			x, err := l.PopFront()
			return c.Took(x, err, 1)
		}},
		{"Remove", "", []uint64{1, 2, 4}, func(l *state.List[T], _ *crashlab.Actor) error { return did(l.Remove(c.Of(3))) }},
		{"Reverse", "", []uint64{4, 3, 2, 1}, func(l *state.List[T], _ *crashlab.Actor) error { return l.Reverse() }},
		{"Sort", "", []uint64{4, 3, 2, 1}, func(l *state.List[T], _ *crashlab.Actor) error {
			return l.Sort(func(x, y T) int {
				m, _ := c.Tell(x)
				n, _ := c.Tell(y)
				return cmp.Compare(n, m)
			})
		}},
		{"Edit", "", []uint64{9}, func(l *state.List[T], a *crashlab.Actor) error {
			return l.Edit(a.Ctx, func([]T) ([]T, error) { return c.All(9), nil })
		}},
		{"Clear", "", nil, func(l *state.List[T], _ *crashlab.Actor) error { return l.Clear() }},
	} {
		name := "state.List." + op.name
		one := crashlab.Case{Name: name + which, Covers: []string{name}, States: []string{"before", "after"}}
		if op.how != "" {
			one.Name += ", " + op.how
		}
		one.Play = func() crashlab.Play {
			v := lists[T]{content: c}
			return crashlab.Play{
				Setup: v.setup, Open: v.open, Recover: v.recover, Check: v.judge(op.after),
				Victim: func(a *crashlab.Actor) error { return op.do(v.l, a) },
			}
		}
		all = append(all, one)
	}
	return all
}
