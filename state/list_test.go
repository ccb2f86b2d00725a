package state_test

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// lists is one List, through two participants.
func lists[T any](t testing.TB) (seg *shm.Segment, a, b *state.List[T]) {
	t.Helper()
	seg = anonymous(t)
	a, err := state.NewList[T](seg)
	require.NoError(t, err)
	b, err = state.ListFrom[T](again(t, seg), a.Ref())
	require.NoError(t, err)
	return seg, a, b
}

// A List does what a slice does, whatever the size of its elements.
func TestAListIsLikeASlice(t *testing.T) {
	t.Run("byte", listLikeSlice(func(n uint64) byte { return byte(n) }))
	t.Run("float32", listLikeSlice(func(n uint64) float32 { return float32(n % 100) }))
	t.Run("int", listLikeSlice(func(n uint64) int { return int(n % 5) }))
	t.Run("odd", listLikeSlice(func(n uint64) odd { return odd{byte(n), 1, 2} }))
	t.Run("mixed", listLikeSlice(func(n uint64) mixed { return mixed{byte(n), uint16(n % 2), n%2 == 1} }))
	t.Run("triple", listLikeSlice(func(n uint64) triple { return tripleOf(n%4, 1) }))
	t.Run("twelve", listLikeSlice(func(n uint64) [3]uint32 { return [3]uint32{uint32(n), 1, 2} }))
	t.Run("string", listLikeSlice(func(n uint64) string { return strings.Repeat("x", int(n%3*100)) + strconv.Itoa(int(n%5)) }))
	t.Run("nested", listLikeSlice(func(n uint64) nest { return nest{Name: strconv.Itoa(int(n % 5)), Triple: tripleOf(n%3, 1)} }))
	t.Run("nothing", listLikeSlice(func(uint64) struct{} { return struct{}{} }))
}

// nest is no plain memory.
type nest struct {
	Name   string
	Triple triple
}

func listLikeSlice[T comparable](of func(uint64) T) func(*testing.T) {
	return func(t *testing.T) {
		seg, a, b := lists[T](t)
		rapid.Check(t, func(t *rapid.T) {
			require.NoError(t, a.Clear())
			var model []T
			for range rapid.IntRange(1, 40).Draw(t, "calls") {
				model = listStep(t, seg, a, b, model, of)
			}
		})
		require.NoError(t, shm.Check(seg))
		require.NoError(t, a.Clear())
		require.EqualValues(t, 1, seg.Stats().Blocks)
	}
}

// listStep makes one call on a list that is like model, and on the model, which it returns, and compares all.
func listStep[T comparable](t *rapid.T, seg *shm.Segment, a, b *state.List[T], model []T, of func(uint64) T) []T {
	h := []*state.List[T]{a, b}[rapid.IntRange(0, 1).Draw(t, "handle")]
	i := rapid.IntRange(-1, len(model)+1).Draw(t, "i")
	j := rapid.IntRange(i, len(model)+1).Draw(t, "j")
	var xs []T
	for _, n := range rapid.SliceOfN(rapid.Uint64(), 0, 9).Draw(t, "values") {
		xs = append(xs, of(n))
	}
	x := of(rapid.Uint64().Draw(t, "x"))
	at, between := i >= 0 && i < len(model), i >= 0 && j <= len(model)
	check := func(err error, inside bool) bool {
		if inside {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, state.ErrRange)
		}
		return inside
	}
	switch rapid.IntRange(0, 14).Draw(t, "call") {
	case 0:
		require.NoError(t, h.Append(xs...))
		model = append(model, xs...)
	case 1:
		require.NoError(t, h.Prepend(xs...))
		model = slices.Insert(model, 0, xs...)
	case 2:
		if check(h.Insert(i, xs...), i >= 0 && i <= len(model)) {
			model = slices.Insert(model, i, xs...)
		}
	case 3:
		if check(h.Delete(i, j), between) {
			model = slices.Delete(model, i, j)
		}
	case 4:
		if check(h.Replace(i, j, xs...), between) {
			model = slices.Replace(model, i, j, xs...)
		}
	case 5, 6:
		for range rapid.IntRange(1, 20).Draw(t, "pops") {
			if x, err := h.Pop(); len(model) == 0 {
				require.ErrorIs(t, err, state.ErrEmpty)
			} else {
				require.NoError(t, err)
				require.Equal(t, model[len(model)-1], x)
				model = model[:len(model)-1]
			}
		}
	case 7:
		if x, err := h.PopFront(); len(model) == 0 {
			require.ErrorIs(t, err, state.ErrEmpty)
		} else {
			require.NoError(t, err)
			require.Equal(t, model[0], x)
			model = model[1:]
		}
	case 8:
		if check(h.Store(i, x), at) {
			model[i] = x
		}
	case 9:
		if check(h.Update(t.Context(), i, func(v *T) error { *v = x; return nil }), at) {
			model[i] = x
		}
		mine := errors.New("mine")
		if err := h.Update(t.Context(), i, func(v *T) error { *v = x; return mine }); at {
			require.Equal(t, mine, err)
		}
	case 10:
		k := slices.Index(model, x)
		removed, err := h.Remove(x)
		require.NoError(t, err)
		require.Equal(t, k >= 0, removed)
		if removed {
			model = slices.Delete(model, k, k+1)
		}
	case 11:
		require.NoError(t, h.Reverse())
		slices.Reverse(model)
	case 12:
		length := func(a, b T) int { return cmp.Compare(slices.Index(model, a), slices.Index(model, b)) }
		require.NoError(t, h.Sort(length))
		slices.SortStableFunc(model, length)
	case 13:
		if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
			require.NoError(t, h.Clear())
			model = nil
		}
	case 14:
		mine := errors.New("mine")
		require.Equal(t, mine, h.Edit(t.Context(), func([]T) ([]T, error) { return nil, mine }))
		require.NoError(t, h.Edit(t.Context(), func(all []T) ([]T, error) {
			require.True(t, slices.Equal(model, all))
			return append(all, xs...), nil
		}))
		model = append(model, xs...)
	}

	h = []*state.List[T]{a, b}[rapid.IntRange(0, 1).Draw(t, "reader")]
	n, err := h.Len()
	require.NoError(t, err)
	require.Len(t, model, n)
	var all []T
	for k, v := range h.All() {
		require.Len(t, all, k)
		all = append(all, v)
	}
	require.True(t, slices.Equal(model, all), "%v, not %v", all, model)
	snapshot, err := h.Snapshot()
	require.NoError(t, err)
	require.True(t, slices.Equal(model, snapshot))
	at, between = i >= 0 && i < len(model), i >= 0 && j <= len(model)
	if part, err := h.Slice(i, j); check(err, between) {
		require.True(t, slices.Equal(model[i:j], part))
	}
	if got, err := h.Load(i); check(err, at) {
		require.Equal(t, model[i], got)
	}
	k, err := h.Index(x)
	require.NoError(t, err)
	require.Equal(t, slices.Index(model, x), k)
	has, err := h.Contains(x)
	require.NoError(t, err)
	require.Equal(t, k >= 0, has)
	count, err := h.Count(x)
	require.NoError(t, err)
	for _, y := range model {
		if x == y {
			count--
		}
	}
	require.Zero(t, count)
	blocks := 2 // the list, and its elements
	switch any(x).(type) {
	case string, nest:
		blocks += len(model)
	}
	require.LessOrEqual(t, seg.Stats().Blocks, uint64(blocks))
	return model
}

func TestAListGrowsAndGivesBack(t *testing.T) {
	seg, a, b := lists[uint64](t)
	const n = 20_000
	for i := range uint64(n) {
		require.NoError(t, a.Append(i))
	}
	used := seg.Stats().Used
	require.GreaterOrEqual(t, used, uint64(8*n))
	require.LessOrEqual(t, used, uint64(4*8*n))
	for i := range uint64(n - 10) {
		x, err := b.PopFront()
		require.NoError(t, err)
		require.Equal(t, i, x)
	}
	require.Less(t, seg.Stats().Used, used/100)
	all, err := b.Snapshot()
	require.NoError(t, err)
	require.Len(t, all, 10)
	require.EqualValues(t, n-10, all[0])

	// As a queue it stays where it is.
	before := seg.Stats()
	for i := range uint64(1000) {
		require.NoError(t, a.Append(n+i))
		x, err := a.PopFront()
		require.NoError(t, err)
		require.Equal(t, n-10+i, x)
	}
	require.Equal(t, before.Used, seg.Stats().Used)
	require.NoError(t, shm.Check(seg))
}

func TestAListThatHasNoRoomIsAsItWas(t *testing.T) {
	_, a, _ := lists[triple](t)
	part := make([]triple, 1000)
	n := 0
	for {
		err := a.Append(part...)
		if err != nil {
			require.ErrorIs(t, err, shm.ErrNoSpace)
			break
		}
		n += len(part)
	}
	have, err := a.Len()
	require.NoError(t, err)
	require.Equal(t, n, have)
	require.ErrorIs(t, a.Insert(1, make([]triple, 40_000)...), shm.ErrNoSpace)
	require.NoError(t, a.Store(n-1, tripleOf(1, 2)))
	x, err := a.Pop()
	require.NoError(t, err)
	require.Equal(t, tripleOf(1, 2), x)
	require.NoError(t, a.Clear())
	require.NoError(t, a.Append(part...))
}

func TestAListByItsName(t *testing.T) {
	seg := anonymous(t)
	_, err := state.OpenList[int](seg, "l")
	require.ErrorIs(t, err, shm.ErrNotExist)
	a, err := state.OpenOrNewList[int](seg, "l")
	require.NoError(t, err)
	b, err := state.OpenOrNewList[int](again(t, seg), "l")
	require.NoError(t, err)
	require.Equal(t, a.Ref(), b.Ref())
	_, err = state.NewList[int](seg, shm.Named("l"))
	require.ErrorIs(t, err, shm.ErrExist)
	_, err = state.OpenList[uint64](seg, "l")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = state.OpenArray[int](seg, "l")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = state.NewList[struct{ Name chan int }](seg)
	require.ErrorContains(t, err, ".Name")
}

func TestAListTellsWhatIsWrong(t *testing.T) {
	_, a, _ := lists[int](t)
	require.NoError(t, a.Append(1, 2, 3))
	for _, i := range []int{-1, 3, math.MinInt, math.MaxInt} {
		_, err := a.Load(i)
		require.ErrorIs(t, err, state.ErrRange)
		require.ErrorContains(t, err, "state: load from list in segment")
		require.ErrorIs(t, a.Store(i, 1), state.ErrRange)
		require.ErrorIs(t, a.Update(bounded(t), i, func(*int) error { t.Error("called"); return nil }), state.ErrRange)
	}
	for _, wrong := range [][2]int{{-1, 2}, {2, 1}, {0, 4}, {4, 4}, {math.MinInt, math.MaxInt}, {math.MaxInt, math.MaxInt}} {
		_, err := a.Slice(wrong[0], wrong[1])
		require.ErrorIs(t, err, state.ErrRange, "%v", wrong)
		require.ErrorIs(t, a.Delete(wrong[0], wrong[1]), state.ErrRange, "%v", wrong)
	}
	require.ErrorIs(t, a.Edit(over(), func(xs []int) ([]int, error) { return xs[:1], nil }), nil, "it need not wait")
	all, err := a.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []int{1}, all)
}

func TestAFunctionThatPanicsLeavesTheListAsItWas(t *testing.T) {
	_, a, b := lists[int](t)
	require.NoError(t, a.Append(3, 1, 2))
	require.Panics(t, func() { _ = a.Sort(func(int, int) int { panic("no order") }) })
	require.Panics(t, func() { _ = a.Update(bounded(t), 0, func(x *int) error { *x = 9; panic("no value") }) })
	all, err := b.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []int{3, 1, 2}, all)
	require.NoError(t, b.Sort(cmp.Compare[int]))
	all, err = a.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, all)
}

func TestALoopOverAListMayChangeIt(t *testing.T) {
	_, a, _ := lists[int](t)
	require.NoError(t, a.Append(1, 2, 3))
	var seen []int
	for i, x := range a.All() {
		seen = append(seen, x)
		if i == 0 {
			require.NoError(t, a.Append(4))
		}
		if x == 3 {
			_, err := a.Pop()
			require.NoError(t, err)
		}
	}
	require.Equal(t, []int{1, 2, 3}, seen)
}

func TestAListOfAClosedSegment(t *testing.T) {
	seg, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	l, err := state.NewList[int](seg)
	require.NoError(t, err)
	require.NoError(t, l.Append(1, 2, 3))
	require.NoError(t, seg.Close())
	_, err = l.Load(1)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = l.Len()
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = l.Snapshot()
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = l.Slice(0, 1)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = l.Index(1)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = l.Count(1)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = l.Pop()
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = l.Remove(1)
	require.ErrorIs(t, err, shm.ErrClosed)
	for _, err := range []error{
		l.Append(1), l.Store(0, 1), l.Insert(0, 1), l.Delete(0, 1), l.Clear(), l.Reverse(),
		l.Edit(bounded(t), func([]int) ([]int, error) { t.Error("called"); return nil, nil }),
	} {
		require.ErrorIs(t, err, shm.ErrClosed)
	}
	for range l.All() {
		t.Error("an element")
	}
}

func TestAListIsReadByWhoOnlyLooks(t *testing.T) {
	folder := t.TempDir()
	seg, err := shm.Create("n", 1<<16, shm.Dir(folder))
	require.NoError(t, err)
	defer seg.Close()
	l, err := state.NewList[int](seg, shm.Named("l"))
	require.NoError(t, err)
	require.NoError(t, l.Append(1, 2))
	eye, err := shm.Open("n", shm.Dir(folder), shm.Observe())
	require.NoError(t, err)
	defer eye.Close()
	seen, err := state.OpenList[int](eye, "l")
	require.NoError(t, err)
	all, err := seen.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, all)
	x, err := seen.Load(1)
	require.NoError(t, err)
	require.Equal(t, 2, x)
	require.ErrorIs(t, seen.Append(3), shm.ErrReadOnly)
	_, err = seen.Pop()
	require.ErrorIs(t, err, shm.ErrReadOnly)
}

// An observer cannot queue for the lock where writers leave it no gap: it looks until there is one.
func TestAnObserverReadsWhatChangesAllTheTime(t *testing.T) {
	folder := t.TempDir()
	seg, err := shm.Create("n", 1<<20, shm.Dir(folder))
	require.NoError(t, err)
	defer seg.Close()
	l, err := state.NewList[[2]uint64](seg, shm.Named("l"))
	require.NoError(t, err)
	require.NoError(t, l.Append(make([][2]uint64, 1<<12)...))
	eye, err := shm.Open("n", shm.Dir(folder), shm.Observe())
	require.NoError(t, err)
	defer eye.Close()
	seen, err := state.OpenList[[2]uint64](eye, "l")
	require.NoError(t, err)

	var writer sync.WaitGroup
	var over atomic.Bool
	writer.Go(func() {
		for n := uint64(1); !over.Load(); n++ {
			if err := l.Store(int(n%(1<<12)), [2]uint64{n, n}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 {
		all, err := seen.Snapshot()
		if err != nil {
			require.ErrorIs(t, err, state.ErrBusy) // it may have no luck, and is told so
			continue
		}
		require.Len(t, all, 1<<12)
	}
	over.Store(true)
	writer.Wait()
	all, err := seen.Snapshot()
	require.NoError(t, err)
	require.Len(t, all, 1<<12)
}

func BenchmarkList(b *testing.B) {
	seg, err := shm.Anonymous(16 << 20)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, seg.Close()) })
	l, err := state.NewList[uint64](seg)
	require.NoError(b, err)
	const n = 1024
	for i := range uint64(n) {
		if err := l.Append(i); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := l.Load(i % n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append and pop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := l.Append(1); err != nil {
				b.Fatal(err)
			}
			if _, err := l.Pop(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append and pop at the front", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := l.Append(1); err != nil {
				b.Fatal(err)
			}
			if _, err := l.PopFront(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := l.Store(7, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("snapshot of 1024", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Snapshot(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("insert in the middle of 1024, and delete", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := l.Insert(n/2, 1); err != nil {
				b.Fatal(err)
			}
			if err := l.Delete(n/2, n/2+1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
