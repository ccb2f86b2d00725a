package state_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// arrays is one Array of n elements, through two participants.
func arrays[T any](t testing.TB, n int) (a, b *state.Array[T]) {
	t.Helper()
	s := anonymous(t)
	a, err := state.NewArray[T](s, n)
	require.NoError(t, err)
	b, err = state.ArrayFrom[T](again(t, s), a.Ref())
	require.NoError(t, err)
	require.Equal(t, n, b.Len())
	return a, b
}

// An Array does what a slice does, whatever the size of its elements, and neighbours are left alone.
func TestAnArrayIsLikeASlice(t *testing.T) {
	t.Run("byte", likeSlice(func(n uint64) byte { return byte(n) }))
	t.Run("int16", likeSlice(func(n uint64) int16 { return int16(n) }))
	t.Run("float32", likeSlice(func(n uint64) float32 { return float32(n % 100) }))
	t.Run("int", likeSlice(func(n uint64) int { return int(n) }))
	t.Run("bool", likeSlice(func(n uint64) bool { return n%2 == 1 }))
	t.Run("odd", likeSlice(func(n uint64) odd { return odd{byte(n), 1, 2} }))
	t.Run("mixed", likeSlice(func(n uint64) mixed { return mixed{byte(n), uint16(n), n%2 == 1} }))
	t.Run("triple", likeSlice(func(n uint64) triple { return tripleOf(n, 1) }))
}

func likeSlice[T comparable](of func(uint64) T) func(*testing.T) {
	return func(t *testing.T) {
		const n = 13
		a, b := arrays[T](t, n)
		model := make([]T, n)
		rapid.Check(t, func(t *rapid.T) {
			h := []*state.Array[T]{a, b}[rapid.IntRange(0, 1).Draw(t, "handle")]
			i := rapid.IntRange(-1, n).Draw(t, "index")
			x, y := of(rapid.Uint64().Draw(t, "x")), of(rapid.Uint64().Draw(t, "y"))
			inside := i >= 0 && i < n
			check := func(err error) bool {
				if inside {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, state.ErrRange)
				}
				return inside
			}
			switch rapid.IntRange(0, 7).Draw(t, "call") {
			case 0:
				if check(h.Store(i, x)) {
					model[i] = x
				}
			case 1:
				if old, err := h.Swap(i, x); check(err) {
					require.Equal(t, model[i], old)
					model[i] = x
				}
			case 2:
				if inside && rapid.Bool().Draw(t, "as it is") {
					x = model[i]
				}
				if done, err := h.CompareAndSwap(i, x, y); check(err) {
					require.Equal(t, model[i] == x, done)
					if done {
						model[i] = y
					}
				}
			case 3:
				if check(h.Update(t.Context(), i, func(v *T) error { *v = x; return nil })) {
					model[i] = x
				}
			case 4:
				mine := errors.New("mine")
				if err := h.Update(t.Context(), i, func(v *T) error { *v = x; return mine }); inside {
					require.Equal(t, mine, err)
				}
			case 5:
				src := slices.Repeat([]T{x, y}, rapid.IntRange(0, n/2).Draw(t, "pairs"))
				if err := h.CopyFrom(src, i); i >= 0 && i+len(src) <= n {
					require.NoError(t, err)
					copy(model[i:], src)
				} else {
					require.ErrorIs(t, err, state.ErrRange)
				}
			case 6:
				dst := make([]T, rapid.IntRange(0, n+2).Draw(t, "room"))
				k, err := h.CopyTo(dst, i)
				if i < 0 {
					require.ErrorIs(t, err, state.ErrRange)
					break
				}
				require.NoError(t, err)
				require.Equal(t, model[i:min(n, i+len(dst))], dst[:k])
			case 7:
				require.NoError(t, h.Fill(x))
				for k := range model {
					model[k] = x
				}
			}
			var all []T
			for k, v := range h.All() {
				require.Len(t, all, k)
				all = append(all, v)
			}
			require.Equal(t, model, all)
			if got, err := h.Load(i); check(err) {
				require.Equal(t, model[i], got)
			}
		})
	}
}

func TestASliceOfAnArrayIsTheArray(t *testing.T) {
	a, b := arrays[uint16](t, 10)
	s, err := a.Slice(2, 5)
	require.NoError(t, err)
	require.Len(t, s, 3)
	s[1] = 7
	got, err := b.Load(3)
	require.NoError(t, err)
	require.EqualValues(t, 7, got)
	require.NoError(t, b.Store(4, 8))
	require.Equal(t, []uint16{0, 7, 8}, s)
	for _, wrong := range [][2]int{{-1, 2}, {3, 2}, {2, 11}, {11, 11}} {
		_, err := a.Slice(wrong[0], wrong[1])
		require.ErrorIs(t, err, state.ErrRange)
	}
	large, _ := arrays[triple](t, 3)
	_, err = large.Slice(0, 1)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestAnArrayOfALengthThatCannotBe(t *testing.T) {
	seg := anonymous(t)
	_, err := state.NewArray[int](seg, -1)
	require.ErrorIs(t, err, state.ErrRange)
	_, err = state.NewArray[int](seg, 1<<28)
	require.ErrorIs(t, err, state.ErrRange)
	_, err = state.NewArray[byte](seg, int(seg.Size()))
	require.ErrorIs(t, err, shm.ErrNoSpace)
	none, err := state.NewArray[int](seg, 0)
	require.NoError(t, err)
	require.Zero(t, none.Len())
	_, err = none.Load(0)
	require.ErrorIs(t, err, state.ErrRange)
}

func TestAnArrayByItsName(t *testing.T) {
	seg := anonymous(t)
	_, err := state.OpenArray[int](seg, "a")
	require.ErrorIs(t, err, shm.ErrNotExist)
	a, err := state.OpenOrNewArray[int](seg, "a", 3)
	require.NoError(t, err)
	b, err := state.OpenOrNewArray[int](again(t, seg), "a", 4)
	require.NoError(t, err)
	require.Equal(t, a.Ref(), b.Ref())
	require.Equal(t, 3, b.Len())
	_, err = state.NewArray[int](seg, 3, shm.Named("a"))
	require.ErrorIs(t, err, shm.ErrExist)
	_, err = state.OpenArray[uint64](seg, "a")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = state.OpenValue[int](seg, "a")
	require.ErrorIs(t, err, shm.ErrKind)
}

func TestAnArrayOfAClosedSegment(t *testing.T) {
	seg, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	numbers, err := state.NewArray[int](seg, 5)
	require.NoError(t, err)
	large, err := state.NewArray[triple](seg, 5)
	require.NoError(t, err)
	s, err := numbers.Slice(0, 5)
	require.NoError(t, err)
	s[3] = 7
	require.NoError(t, seg.Close())
	require.Zero(t, s[3], "zeros")
	closedArray(t, numbers)
	closedArray(t, large)
	_, err = state.AddAt(numbers, 1, 1)
	require.ErrorIs(t, err, shm.ErrClosed)
}

func closedArray[T any](t *testing.T, a *state.Array[T]) {
	t.Helper()
	var x T
	_, err := a.Load(1)
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, a.Store(1, x), shm.ErrClosed)
	_, err = a.Swap(1, x)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = a.CompareAndSwap(1, x, x)
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, a.Update(bounded(t), 1, func(*T) error { t.Error("called"); return nil }), shm.ErrClosed)
	require.ErrorIs(t, a.Fill(x), shm.ErrClosed)
	require.ErrorIs(t, a.CopyFrom([]T{x}, 1), shm.ErrClosed)
	_, err = a.CopyTo([]T{x}, 1)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = a.Slice(1, 2)
	require.ErrorIs(t, err, shm.ErrClosed)
	for range a.All() {
		t.Error("an element")
	}
}
