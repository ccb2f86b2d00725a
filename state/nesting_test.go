package state_test

import (
	"errors"
	"fmt"
	"log"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// A map of lists: each belongs to the map, and goes with its key.
func Example_nesting() {
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	orders, err := state.NewMap[string, shm.Ref](seg, shm.Named("orders"))
	if err != nil {
		log.Fatal(err)
	}
	list, err := state.NewList[string](seg)
	if err != nil {
		log.Fatal(err)
	}
	// From here on the map alone keeps the list.
	err = errors.Join(list.Append("bread", "milk"), orders.Set("ann", list.Ref()), seg.Destroy(list.Ref()))
	if err != nil {
		log.Fatal(err)
	}
	ref, _, _ := orders.Get("ann")
	list, err = state.ListFrom[string](seg, ref)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(list.Snapshot())
	_, err = orders.Delete("ann")
	if err != nil {
		log.Fatal(err)
	}
	_, err = state.ListFrom[string](seg, ref)
	fmt.Println(errors.Is(err, shm.ErrStale))
	// Output:
	// [bread milk] <nil>
	// true
}

// stored is a place where a Ref can be stored, and taken out of.
type stored struct {
	name  string
	store func(shm.Ref) error
	clear func() error
}

// places are one of each kind.
func places(t require.TestingT, seg *shm.Segment) []stored {
	m, err := state.NewMap[int, shm.Ref](seg)
	require.NoError(t, err)
	keyed, err := state.NewMap[string, shm.Ref](seg)
	require.NoError(t, err)
	l, err := state.NewList[shm.Ref](seg)
	require.NoError(t, err)
	ns, err := state.NewNamespace(seg)
	require.NoError(t, err)
	return []stored{
		{"map", func(r shm.Ref) error { return m.Set(1, r) }, func() error { _, err := m.Delete(1); return err }},
		{"keyed", func(r shm.Ref) error { return keyed.Set("k", r) }, func() error { return keyed.Set("k", shm.Ref{}) }},
		{"cleared", func(r shm.Ref) error { return keyed.Set("other", r) }, keyed.Clear},
		{
			"list", func(r shm.Ref) error {
				if n, err := l.Len(); err != nil || n == 0 {
					return errors.Join(err, l.Append(r))
				}
				return l.Store(0, r)
			}, func() error {
				if n, err := l.Len(); err != nil || n == 0 {
					return err
				}
				_, err := l.Pop()
				return err
			},
		},
		{"namespace", func(r shm.Ref) error { return state.Put(ns, "x", r) }, func() error { _, err := ns.Delete("x"); return err }},
		{"overwritten", func(r shm.Ref) error { return state.Put(ns, "y", r) }, func() error { return state.Put(ns, "y", 1) }},
	}
}

func isThere(seg *shm.Segment, ref shm.Ref) bool {
	_, err := state.ListFrom[string](seg, ref)
	return err == nil
}

func TestWhatIsStoredByRefStays(t *testing.T) {
	seg := anonymous(t)
	for _, p := range places(t, seg) {
		t.Run(p.name, func(t *testing.T) {
			list, err := state.NewList[string](seg, shm.Named("list"))
			require.NoError(t, err)
			require.NoError(t, list.Append("a", "b"))
			require.NoError(t, p.store(list.Ref()))
			require.NoError(t, seg.Destroy(list.Ref()))
			_, err = state.OpenList[string](seg, "list")
			require.ErrorIs(t, err, shm.ErrNotExist)
			all, err := list.Snapshot()
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b"}, all)
			require.NoError(t, p.clear())
			require.False(t, isThere(seg, list.Ref()))
			require.ErrorIs(t, p.store(list.Ref()), shm.ErrStale)
			require.NoError(t, p.clear())
			require.NoError(t, shm.Check(seg))
		})
	}
}

// A list in a list in a map: all go with the map.
func TestAHandleThatIsStoredKeepsItsObject(t *testing.T) {
	seg := anonymous(t)
	m, err := state.NewMap[string, *state.List[string]](seg)
	require.NoError(t, err)
	l, err := state.NewList[*state.List[string]](seg)
	require.NoError(t, err)
	made, err := state.NewList[string](seg)
	require.NoError(t, err)
	ref := made.Ref()
	require.NoError(t, made.Append("kept"))
	require.NoError(t, m.Set("a", made))
	require.NoError(t, m.Set("none", nil))
	require.NoError(t, l.Append(made, nil))
	require.NoError(t, seg.Destroy(ref))

	got, ok, err := m.Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	said, err := got.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []string{"kept"}, said)
	_, err = m.Delete("a")
	require.NoError(t, err)
	got, err = l.Load(0)
	require.NoError(t, err)
	said, err = got.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []string{"kept"}, said)
	require.NoError(t, l.Clear())
	_, err = state.ListFrom[string](seg, ref)
	require.ErrorIs(t, err, shm.ErrStale)
	require.NoError(t, seg.Check())
}

func TestAChainGoesWithItsFirst(t *testing.T) {
	seg := anonymous(t)
	before := seg.Stats()
	m, err := state.NewMap[string, shm.Ref](seg)
	require.NoError(t, err)
	var refs []shm.Ref
	next := m.Ref()
	for range 100 {
		l, err := state.NewList[shm.Ref](seg)
		require.NoError(t, err)
		require.NoError(t, l.Append(next))
		if next != m.Ref() {
			require.NoError(t, seg.Destroy(next))
		} else {
			require.NoError(t, l.Clear())
		}
		next = l.Ref()
		refs = append(refs, next)
	}
	require.NoError(t, m.Set("chain", next))
	require.NoError(t, seg.Destroy(next))
	require.NoError(t, seg.Destroy(m.Ref()))
	for _, ref := range refs {
		_, err := state.ListFrom[shm.Ref](seg, ref)
		require.ErrorIs(t, err, shm.ErrStale)
	}
	require.Equal(t, before.Used, seg.Stats().Used)
	require.NoError(t, shm.Check(seg))
}

func TestACycleHurtsNobody(t *testing.T) {
	seg := anonymous(t)
	before := seg.Stats()
	a, err := state.NewList[shm.Ref](seg)
	require.NoError(t, err)
	b, err := state.NewNamespace(seg)
	require.NoError(t, err)
	require.NoError(t, a.Append(a.Ref(), b.Ref()))
	require.NoError(t, state.Put(b, "a", a))
	require.NoError(t, seg.Destroy(a.Ref()))
	require.NoError(t, seg.Destroy(b.Ref()))
	n, err := a.Len()
	require.NoError(t, err)
	require.Equal(t, 2, n, "they keep each other")
	require.NoError(t, shm.Check(seg))
	require.NoError(t, a.Clear(), "which lets both go, while it is at it")
	require.Equal(t, before.Used, seg.Stats().Used)
	require.NoError(t, shm.Check(seg))
}

func TestARefInAStructKeepsNothing(t *testing.T) {
	seg := anonymous(t)
	type pair struct{ A, B shm.Ref }
	m, err := state.NewMap[int, pair](seg)
	require.NoError(t, err)
	l, err := state.NewList[string](seg)
	require.NoError(t, err)
	require.NoError(t, m.Set(1, pair{A: l.Ref()}))
	require.NoError(t, seg.Destroy(l.Ref()))
	p, ok, err := m.Get(1)
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, isThere(seg, p.A), "and it is found out")
}

func TestARefToWhatCannotBeKeptIsStoredAllTheSame(t *testing.T) {
	seg := anonymous(t)
	far, err := state.NewList[string](anonymous(t))
	require.NoError(t, err)
	b, err := seg.Alloc(64)
	require.NoError(t, err)
	for _, p := range places(t, seg) {
		for _, ref := range []shm.Ref{{}, far.Ref(), b.Ref()} {
			require.NoError(t, p.store(ref), p.name)
		}
		require.NoError(t, p.clear(), p.name)
	}
	require.NoError(t, b.Free())
}

// Whoever has stored what, a list is there if it was not destroyed, or is stored somewhere.
func TestListsAreThereAsLongAsTheyAreStored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seg, err := shm.Anonymous(1 << 20)
		require.NoError(t, err)
		defer seg.Close()
		all := places(t, seg)[:5]
		at := make([]int, len(all)) // 1 + the list that is stored there
		var lists []shm.Ref
		destroyed := map[int]bool{}
		alive := func(i int) bool {
			for _, x := range at {
				if x == i+1 {
					return true
				}
			}
			return !destroyed[i]
		}
		pick := func(t *rapid.T) int {
			if len(lists) == 0 {
				t.Skip("no list")
			}
			return rapid.IntRange(0, len(lists)-1).Draw(t, "list")
		}
		t.Repeat(map[string]func(*rapid.T){
			"new": func(t *rapid.T) {
				l, err := state.NewList[string](seg)
				require.NoError(t, err)
				require.NoError(t, l.Append("x"))
				lists = append(lists, l.Ref())
			},
			"store": func(t *rapid.T) {
				i, p := pick(t), rapid.IntRange(0, len(all)-1).Draw(t, "place")
				was := alive(i)
				err := all[p].store(lists[i])
				if !was {
					require.ErrorIs(t, err, shm.ErrStale)
					return
				}
				require.NoError(t, err)
				at[p] = i + 1
			},
			"clear": func(t *rapid.T) {
				p := rapid.IntRange(0, len(all)-1).Draw(t, "place")
				require.NoError(t, all[p].clear())
				if at[p] = 0; all[p].name == "cleared" {
					at[1] = 0
				}
			},
			"destroy": func(t *rapid.T) {
				i := pick(t)
				err := seg.Destroy(lists[i])
				if destroyed[i] {
					require.ErrorIs(t, err, shm.ErrStale)
				} else {
					require.NoError(t, err)
				}
				destroyed[i] = true
			},
			"": func(t *rapid.T) {
				for i, ref := range lists {
					require.Equal(t, alive(i), isThere(seg, ref))
				}
				require.NoError(t, shm.Check(seg))
			},
		})
	})
}

// Destroying gives back all that an object had.
func TestDestroyFreesEverything(t *testing.T) {
	seg := anonymous(t)
	before := seg.Stats()
	for name, make := range map[string]func() (shm.Ref, error){
		"map of words": func() (shm.Ref, error) {
			m, err := state.NewMap[int, int](seg)
			for i := 0; i < 3000 && err == nil; i++ {
				err = m.Set(i, i)
			}
			return m.Ref(), err
		},
		"map of texts": func() (shm.Ref, error) {
			m, err := state.NewMap[string, string](seg)
			for i := 0; i < 1000 && err == nil; i++ {
				err = m.Set(fmt.Sprint(i), "a text")
			}
			return m.Ref(), err
		},
		"list of words": func() (shm.Ref, error) {
			l, err := state.NewList[int](seg)
			for i := 0; i < 1000 && err == nil; i++ {
				err = l.Append(i)
			}
			return l.Ref(), err
		},
		"list of texts": func() (shm.Ref, error) {
			l, err := state.NewList[string](seg)
			for i := 0; i < 1000 && err == nil; i++ {
				err = l.Append("a text")
			}
			return l.Ref(), err
		},
		"set": func() (shm.Ref, error) {
			s, err := state.NewSet[string](seg)
			for i := 0; i < 1000 && err == nil; i++ {
				_, err = s.Add(fmt.Sprint(i))
			}
			return s.Ref(), err
		},
		"namespace": func() (shm.Ref, error) {
			ns, err := state.NewNamespace(seg, shm.Named("ns"))
			for i := 0; i < 100 && err == nil; i++ {
				err = state.Put(ns, fmt.Sprint(i), i)
			}
			return ns.Ref(), err
		},
	} {
		ref, err := make()
		require.NoError(t, err, name)
		require.Greater(t, seg.Stats().Used, before.Used, name)
		require.NoError(t, seg.Destroy(ref), name)
		require.Equal(t, before.Used, seg.Stats().Used, name)
		require.NoError(t, shm.Check(seg), name)
	}
}
