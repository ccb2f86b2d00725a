package state_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// Settings of mixed types, and a list that belongs to them.
func ExampleNamespace() {
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	ns, err := state.NewNamespace(seg, shm.Named("settings"))
	if err != nil {
		log.Fatal(err)
	}
	hosts, err := state.NewList[string](seg)
	if err != nil {
		log.Fatal(err)
	}
	err = errors.Join(state.Put(ns, "limit", 10), state.Put(ns, "title", "a title"), state.Put(ns, "hosts", hosts))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Get[int](ns, "limit"))
	fmt.Println(state.Get[string](ns, "title"))
	fmt.Println(ns.Names())
	_, _, err = state.Get[int](ns, "title")
	fmt.Println(errors.Is(err, state.ErrType))
	// Output:
	// 10 true <nil>
	// a title true <nil>
	// [hosts limit title] <nil>
	// true
}

// extend appends to a list that it finds in a namespace, and says so there.
var extend = proc.Func("state/extend", func(ctx context.Context, ref shm.Ref) error {
	seg, err := proc.Segment(ctx, ref)
	if err != nil {
		return err
	}
	ns, err := state.NamespaceFrom(seg, ref)
	if err != nil {
		return err
	}
	words, ok, err := state.Get[*state.List[string]](ns, "words")
	if err != nil || !ok {
		return fmt.Errorf("words: %v, %w", ok, err)
	}
	return errors.Join(words.Append("theirs"), state.Put(ns, "done", true))
})

func TestANamespaceIsSharedByProcesses(t *testing.T) {
	ctx := bounded(t)
	seg := anonymous(t)
	ns, err := state.NewNamespace(seg)
	require.NoError(t, err)
	words, err := state.NewList[string](seg)
	require.NoError(t, err)
	require.NoError(t, words.Append("ours"))
	require.NoError(t, state.Put(ns, "words", words))
	child, err := extend.Start(ctx, ns.Ref(), proc.Share(seg))
	require.NoError(t, err)
	defer child.Close()
	require.NoError(t, child.Wait(ctx))
	done, ok, err := state.Get[bool](ns, "done")
	require.NoError(t, err)
	require.True(t, ok && done)
	all, err := words.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []string{"ours", "theirs"}, all)
}

type point struct{ X, Y int }

// arrives puts v, and gets it back as what it was.
func arrives[T any](t *testing.T, ns, other *state.Namespace, v T) {
	t.Helper()
	require.NoError(t, state.Put(ns, "x", v))
	got, ok, err := state.Get[T](other, "x")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, v, got)
}

func TestAttributesArriveAsTheyWere(t *testing.T) {
	seg := anonymous(t)
	ns, err := state.NewNamespace(seg, shm.Named("ns"))
	require.NoError(t, err)
	other, err := state.OpenNamespace(again(t, seg), "ns")
	require.NoError(t, err)
	arrives(t, ns, other, 7)
	arrives(t, ns, other, "text")
	arrives(t, ns, other, []byte{1, 2})
	arrives(t, ns, other, 1.5)
	arrives(t, ns, other, point{1, 2})
	arrives(t, ns, other, map[string][]int{"a": {1}})
	arrives(t, ns, other, &point{3, 4})
	arrives(t, ns, other, ns.Ref())
	arrives(t, ns, other, shm.Ref{})
	_, ok, err := state.Get[int](ns, "none")
	require.NoError(t, err)
	require.False(t, ok)
}

// sameObject puts a handle, and gets one of the same object back.
func sameObject[T interface{ Ref() shm.Ref }](t *testing.T, ns, other *state.Namespace) func(T, error) {
	return func(h T, err error) {
		t.Helper()
		require.NoError(t, err)
		require.NoError(t, state.Put(ns, "h", h))
		got, ok, err := state.Get[T](other, "h")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, h.Ref(), got.Ref())
		ref, ok, err := state.Get[shm.Ref](other, "h")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, h.Ref(), ref)
	}
}

func TestHandlesArriveAsHandles(t *testing.T) {
	seg := anonymous(t)
	ns, err := state.NewNamespace(seg)
	require.NoError(t, err)
	other, err := state.NamespaceFrom(seg, ns.Ref())
	require.NoError(t, err)
	sameObject[*state.Value[int]](t, ns, other)(state.NewValue(seg, 1))
	sameObject[*state.Array[int]](t, ns, other)(state.NewArray[int](seg, 2))
	sameObject[*state.List[string]](t, ns, other)(state.NewList[string](seg))
	sameObject[*state.Map[string, int]](t, ns, other)(state.NewMap[string, int](seg))
	sameObject[*state.Set[int]](t, ns, other)(state.NewSet[int](seg))
	sameObject[*state.Namespace](t, ns, other)(state.NewNamespace(seg))

	mu, err := sync.NewMutex(seg)
	require.NoError(t, err)
	require.NoError(t, state.Put(ns, "lock", mu))
	ref, _, err := state.Get[shm.Ref](ns, "lock")
	require.NoError(t, err)
	require.Equal(t, mu.Ref(), ref)

	require.ErrorIs(t, state.Put(ns, "nil", (*state.List[int])(nil)), codec.ErrUnencodable)
	elsewhere, err := state.NewList[int](anonymous(t))
	require.NoError(t, err)
	require.ErrorIs(t, state.Put(ns, "far", elsewhere), shm.ErrStale)
}

func TestATypeErrorNamesBoth(t *testing.T) {
	seg := anonymous(t)
	ns, err := state.NewNamespace(seg)
	require.NoError(t, err)
	require.NoError(t, state.Put(ns, "text", "text"))
	list, err := state.NewList[string](seg)
	require.NoError(t, err)
	require.NoError(t, state.Put(ns, "list", list))

	_, _, err = state.Get[int](ns, "text")
	require.ErrorIs(t, err, state.ErrType)
	require.ErrorContains(t, err, `get "text" in namespace`)
	require.ErrorContains(t, err, "a string, and no int")
	_, _, err = state.Get[*state.List[int]](ns, "list")
	require.ErrorIs(t, err, state.ErrType)
	require.ErrorIs(t, err, shm.ErrLayout)
	require.ErrorContains(t, err, "a *state.List[string], and no *state.List[int]")
	_, _, err = state.Get[*state.Namespace](ns, "list")
	require.ErrorIs(t, err, state.ErrType)
	_, _, err = state.Get[*state.Namespace](ns, "text")
	require.ErrorContains(t, err, "a string, and no *state.Namespace")
	type string_ string
	named, _, err := state.Get[string_](ns, "text")
	require.NoError(t, err, "what a type is called makes no difference")
	require.Equal(t, string_("text"), named)
	require.ErrorIs(t, state.Change(ns, "text", func(*int, bool) error { return nil }), state.ErrType)
	_, err = state.OpenMap[string, []byte](seg, "none")
	require.ErrorIs(t, err, shm.ErrNotExist)
	_, err = state.MapFrom[string, []byte](seg, ns.Ref())
	require.ErrorIs(t, err, shm.ErrKind)
}

// What a program has as attributes is a map of names to numbers and texts.
func TestANamespaceIsLikeAMap(t *testing.T) {
	names := rapid.SampledFrom([]string{"", "a", "b", "c", "a longer name than the others"})
	rapid.Check(t, func(t *rapid.T) {
		seg, err := shm.Anonymous(1 << 20)
		require.NoError(t, err)
		defer seg.Close()
		ns, err := state.NewNamespace(seg, shm.Named("ns"))
		require.NoError(t, err)
		other, err := state.NamespaceFrom(seg, ns.Ref())
		require.NoError(t, err)
		model := make(map[string]any)
		t.Repeat(map[string]func(*rapid.T){
			"number": func(t *rapid.T) {
				name, v := names.Draw(t, "name"), rapid.Int().Draw(t, "number")
				require.NoError(t, state.Put(ns, name, v))
				model[name] = v
			},
			"text": func(t *rapid.T) {
				name, v := names.Draw(t, "name"), rapid.String().Draw(t, "text")
				require.NoError(t, state.Put(ns, name, v))
				model[name] = v
			},
			"count": func(t *rapid.T) {
				name := names.Draw(t, "name")
				was, there := model[name]
				err := state.Change(other, name, func(n *int, found bool) error {
					require.Equal(t, there, found)
					*n++
					return nil
				})
				if n, ok := was.(int); ok || !there {
					require.NoError(t, err)
					model[name] = n + 1
				} else {
					require.ErrorIs(t, err, state.ErrType)
				}
			},
			"delete": func(t *rapid.T) {
				name := names.Draw(t, "name")
				_, there := model[name]
				ok, err := other.Delete(name)
				require.NoError(t, err)
				require.Equal(t, there, ok)
				delete(model, name)
			},
			"clear": func(t *rapid.T) {
				require.NoError(t, ns.Clear())
				clear(model)
			},
			"": func(t *rapid.T) {
				all, err := other.Names()
				require.NoError(t, err)
				require.Equal(t, slices.Sorted(maps.Keys(model)), all)
				n, err := ns.Len()
				require.NoError(t, err)
				require.Equal(t, len(model), n)
				for name, typ := range ns.All() {
					require.Equal(t, fmt.Sprintf("%T", model[name]), typ)
					if typ == "int" {
						got, ok, err := state.Get[int](other, name)
						require.NoError(t, err)
						require.True(t, ok)
						require.Equal(t, model[name], got)
						continue
					}
					got, _, err := state.Get[string](other, name)
					require.NoError(t, err)
					require.Equal(t, model[name], got)
				}
			},
		})
	})
}

func TestANamespaceOfAClosedSegment(t *testing.T) {
	seg := anonymous(t)
	ns, err := state.OpenOrNewNamespace(seg, "ns")
	require.NoError(t, err)
	require.NoError(t, state.Put(ns, "x", 1))
	require.NoError(t, seg.Close())
	_, _, err = state.Get[int](ns, "x")
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, state.Put(ns, "x", 2), shm.ErrClosed)
	_, err = ns.Names()
	require.ErrorIs(t, err, shm.ErrClosed)
}
