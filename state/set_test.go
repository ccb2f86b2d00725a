package state_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// A file is done once, whoever comes with it.
func ExampleSet() {
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	done, err := state.NewSet[string](seg, shm.Named("done"))
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range []string{"a.txt", "b.txt", "a.txt"} {
		fmt.Println(done.Add(file))
	}
	fmt.Println(done.Len())
	// Output:
	// true <nil>
	// true <nil>
	// false <nil>
	// 2 <nil>
}

func TestASetIsLikeASet(t *testing.T) {
	t.Run("words", likeSet(func(n uint64) uint32 { return uint32(n) }))
	t.Run("strings", likeSet(name))
}

func likeSet[T comparable](of func(uint64) T) func(*testing.T) {
	return func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			seg, err := shm.Anonymous(1 << 20)
			require.NoError(t, err)
			defer seg.Close()
			s, err := state.NewSet[T](seg, shm.Named("s"))
			require.NoError(t, err)
			other, err := state.SetFrom[T](seg, s.Ref())
			require.NoError(t, err)
			model := make(map[T]struct{})
			t.Repeat(map[string]func(*rapid.T){
				"add": func(t *rapid.T) {
					x := of(rapid.Uint64Range(0, 30).Draw(t, "x"))
					_, there := model[x]
					added, err := s.Add(x)
					require.NoError(t, err)
					require.Equal(t, !there, added)
					model[x] = struct{}{}
				},
				"remove": func(t *rapid.T) {
					x := of(rapid.Uint64Range(0, 30).Draw(t, "x"))
					_, there := model[x]
					removed, err := other.Remove(x)
					require.NoError(t, err)
					require.Equal(t, there, removed)
					delete(model, x)
				},
				"clear": func(t *rapid.T) {
					if rapid.IntRange(0, 9).Draw(t, "once in a while") == 0 {
						require.NoError(t, s.Clear())
						clear(model)
					}
				},
				"": func(t *rapid.T) {
					all, err := other.Snapshot()
					require.NoError(t, err)
					require.Equal(t, model, all)
					n, err := s.Len()
					require.NoError(t, err)
					require.Equal(t, len(model), n)
					for x := range s.All() {
						ok, err := other.Has(x)
						require.NoError(t, err)
						require.True(t, ok)
						n--
					}
					require.Zero(t, n)
				},
			})
		})
	}
}

func TestASetByItsName(t *testing.T) {
	seg := anonymous(t)
	_, err := state.OpenSet[string](seg, "s")
	require.ErrorIs(t, err, shm.ErrNotExist)
	a, err := state.OpenOrNewSet[string](seg, "s")
	require.NoError(t, err)
	b, err := state.OpenSet[string](again(t, seg), "s")
	require.NoError(t, err)
	require.Equal(t, a.Ref(), b.Ref())
	_, err = state.OpenSet[int](seg, "s")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = state.NewSet[*int](seg)
	require.Error(t, err)
}

// collector adds what all others add, and counts what it was the first with.
var collector = proc.Func("state_test.collector", func(ctx context.Context, f field) error {
	seg := proc.Segments(ctx)[0]
	s, err := state.SetFrom[string](seg, f.Map)
	if err != nil {
		return err
	}
	first, err := state.ValueFrom[int32](seg, f.Started)
	if err != nil {
		return err
	}
	for i := f.From; i < f.To; i++ {
		added, err := s.Add(name(i))
		if err != nil {
			return err
		}
		if added {
			if _, err := state.Add(first, 1); err != nil {
				return err
			}
		}
	}
	return nil
})

func TestOfProcessesThatAddOneIsFirst(t *testing.T) {
	ctx := bounded(t)
	seg := anonymous(t)
	s, err := state.NewSet[string](seg)
	require.NoError(t, err)
	first, err := state.NewValue[int32](seg, 0)
	require.NoError(t, err)
	const n = 1000
	var children []*proc.Process
	for range 3 {
		c, err := collector.Start(ctx, field{Map: s.Ref(), Started: first.Ref(), To: n}, proc.Share(seg))
		require.NoError(t, err)
		defer c.Close()
		children = append(children, c)
	}
	for _, c := range children {
		require.NoError(t, c.Wait(ctx))
	}
	got, err := first.Load()
	require.NoError(t, err)
	require.EqualValues(t, n, got)
	all, err := s.Len()
	require.NoError(t, err)
	require.Equal(t, n, all)
}
