package state_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// mapsOf is one Map, through two participants.
func mapsOf[K comparable, V any](t testing.TB) (a, b *state.Map[K, V]) {
	t.Helper()
	s := anonymous(t)
	a, err := state.NewMap[K, V](s)
	require.NoError(t, err)
	b, err = state.MapFrom[K, V](again(t, s), a.Ref())
	require.NoError(t, err)
	return a, b
}

// A Map does what a map of Go's does, whatever its keys and values, and while it grows.
func TestAMapIsLikeAMap(t *testing.T) {
	t.Run("words", likeMap(func(n uint64) uint64 { return n }, func(n uint64) uint64 { return n }))
	t.Run("bytes", likeMap(func(n uint64) byte { return byte(n) }, func(n uint64) bool { return n%2 == 1 }))
	t.Run("structs", likeMap(func(n uint64) mixed { return mixed{byte(n), uint16(n), n%2 == 1} },
		func(n uint64) odd { return odd{byte(n), 1, 2} }))
	t.Run("floats", likeMap(func(n uint64) float32 { return float32(n) }, func(n uint64) int16 { return int16(n) }))
	t.Run("strings", likeMap(name, name))
	if race.Enabled {
		return // what follows takes a minute, and there is one goroutine
	}
	t.Run("long ones by large ones", likeMap(func(n uint64) triple { return tripleOf(n%40, 1) },
		func(n uint64) string { return strings.Repeat(name(n), 300) }))
	t.Run("boxes by words", likeMap(func(n uint64) uint16 { return uint16(n) }, deedOf))
	t.Run("words by what is encoded", likeMap(deedOf, func(n uint64) uint64 { return n }))
	t.Run("a set", likeMap(func(n uint64) int { return -int(n) }, func(uint64) struct{} { return struct{}{} }))
}

func name(n uint64) string { return strings.Repeat("x", int(n%7)) + fmt.Sprint(n) }

// deed is what goes through the codec.
type deed struct {
	Name string
	Of   [2]string
	At   float64
}

func deedOf(n uint64) deed {
	return deed{Name: name(n), Of: [2]string{"a", name(n / 2)}, At: float64(n)}
}

func likeMap[K, V comparable](keyOf func(uint64) K, valueOf func(uint64) V) func(*testing.T) {
	return func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			seg, err := shm.Anonymous(1 << 22)
			require.NoError(t, err)
			defer seg.Close()
			a, err := state.NewMap[K, V](seg)
			require.NoError(t, err)
			b, err := state.MapFrom[K, V](seg, a.Ref())
			require.NoError(t, err)
			s := &mapMachine[K, V]{seg: seg, keyOf: keyOf, valueOf: valueOf, handles: []*state.Map[K, V]{a, b}, model: make(map[K]V)}
			t.Repeat(map[string]func(*rapid.T){
				"change": s.change, "compare": s.compare, "many": s.many, "take out many": s.takeOut, "clear": s.clear, "": s.check,
			})
		})
	}
}

// mapMachine is a Map, and what must be in it.
type mapMachine[K, V comparable] struct {
	seg     *shm.Segment
	keyOf   func(uint64) K
	valueOf func(uint64) V
	handles []*state.Map[K, V]
	model   map[K]V
}

func (s *mapMachine[K, V]) draw(t *rapid.T) (m *state.Map[K, V], k K, v, w V) {
	return rapid.SampledFrom(s.handles).Draw(t, "handle"), s.keyOf(rapid.Uint64Range(0, 300).Draw(t, "key")),
		s.valueOf(rapid.Uint64Range(0, 5).Draw(t, "v")), s.valueOf(rapid.Uint64Range(0, 5).Draw(t, "w"))
}

func (s *mapMachine[K, V]) change(t *rapid.T) {
	m, k, v, _ := s.draw(t)
	was, there := s.model[k]
	switch rapid.IntRange(0, 6).Draw(t, "call") {
	case 0:
		require.NoError(t, m.Set(k, v))
		s.model[k] = v
	case 1:
		old, ok, err := m.Swap(k, v)
		require.NoError(t, err)
		require.Equal(t, was, old)
		require.Equal(t, there, ok)
		s.model[k] = v
	case 2:
		ok, err := m.Delete(k)
		require.NoError(t, err)
		require.Equal(t, there, ok)
		delete(s.model, k)
	case 3:
		got, ok, err := m.GetOrSet(k, v)
		require.NoError(t, err)
		require.Equal(t, there, ok)
		if !there {
			was, s.model[k] = v, v
		}
		require.Equal(t, was, got)
	case 4:
		require.NoError(t, m.Update(k, func(x *V, found bool) error {
			require.Equal(t, there, found)
			require.Equal(t, was, *x)
			*x = v
			return nil
		}))
		s.model[k] = v
	case 5:
		mine := errors.New("mine")
		require.Equal(t, mine, m.Update(k, func(x *V, _ bool) error { *x = v; return mine }))
	case 6:
		got, ok, err := m.Get(k)
		require.NoError(t, err)
		require.Equal(t, there, ok)
		require.Equal(t, was, got)
	}
}

func (s *mapMachine[K, V]) compare(t *rapid.T) {
	m, k, v, w := s.draw(t)
	was, there := s.model[k]
	if rapid.Bool().Draw(t, "swap") {
		done, err := m.CompareAndSwap(k, v, w)
		require.NoError(t, err)
		require.Equal(t, there && was == v, done)
		if done {
			s.model[k] = w
		}
		return
	}
	done, err := m.CompareAndDelete(k, v)
	require.NoError(t, err)
	require.Equal(t, there && was == v, done)
	if done {
		delete(s.model, k)
	}
}

func (s *mapMachine[K, V]) many(t *rapid.T) {
	m, _, v, _ := s.draw(t)
	from := rapid.Uint64Range(0, 2000).Draw(t, "from")
	for n := range rapid.Uint64Range(0, 400).Draw(t, "n") {
		require.NoError(t, m.Set(s.keyOf(from+n), v))
		s.model[s.keyOf(from+n)] = v
	}
}

func (s *mapMachine[K, V]) takeOut(t *rapid.T) {
	m, _, _, _ := s.draw(t)
	from := rapid.Uint64Range(0, 2000).Draw(t, "from")
	for n := range rapid.Uint64Range(0, 400).Draw(t, "n") {
		k := s.keyOf(from + n)
		_, there := s.model[k]
		ok, err := m.Delete(k)
		require.NoError(t, err)
		require.Equal(t, there, ok)
		delete(s.model, k)
	}
}

func (s *mapMachine[K, V]) clear(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "once in a while") == 0 {
		require.NoError(t, s.handles[0].Clear())
		clear(s.model)
	}
}

func (s *mapMachine[K, V]) check(t *rapid.T) {
	m := rapid.SampledFrom(s.handles).Draw(t, "looks")
	n, err := m.Len()
	require.NoError(t, err)
	require.Equal(t, len(s.model), n)
	all, err := m.Snapshot()
	require.NoError(t, err)
	require.True(t, maps.Equal(s.model, all), "%v and not %v", all, s.model)
	require.EqualValues(t, m.Blocks(), s.seg.Stats().Blocks)
	if len(s.model)%4 == 0 {
		require.NoError(t, state.Check(objectOf(t, s.seg, m.Ref())))
	}
}

func TestWhatAMapYields(t *testing.T) {
	a, b := mapsOf[uint32, uint64](t)
	const n = 3000
	for i := range uint32(n) {
		require.NoError(t, a.Set(i, uint64(i)*2))
	}
	seen := make(map[uint32]bool)
	for k, v := range b.All() {
		require.Equal(t, uint64(k)*2, v)
		require.False(t, seen[k], "twice")
		seen[k] = true
	}
	require.Len(t, seen, n)
	require.Len(t, slices.Collect(b.Keys()), n)
	require.Equal(t, slices.Max(slices.Collect(b.Values())), uint64(n-1)*2)
	for range b.All() {
		break
	}
}

// What is there all the time comes once, though the body of the loop makes the Map grow and takes out what it added.
func TestAKeyThatStaysComesOnceWhileTheMapGrowsUnderTheLoop(t *testing.T) {
	a, b := mapsOf[uint32, uint32](t)
	const stay = 500
	for i := range uint32(stay) {
		require.NoError(t, a.Set(i, i))
	}
	next, times := uint32(stay), make(map[uint32]int)
	for k := range a.Keys() {
		times[k]++
		for range 20 {
			require.NoError(t, b.Set(next, 0))
			if next%3 == 0 {
				_, err := b.Delete(next - stay/2)
				require.NoError(t, err)
				require.NoError(t, b.Set(next-stay/2, next))
			}
			next++
		}
		require.NoError(t, b.Set(k, k+1))
		if next > 9000 {
			break
		}
	}
	for k, n := range times {
		require.Equal(t, 1, n, "key %d", k)
	}
}

func TestAddToAMap(t *testing.T) {
	a, b := mapsOf[int, int8](t)
	for _, step := range []struct{ delta, sum int8 }{{100, 100}, {27, 127}, {1, -128}, {-1, 127}} {
		sum, err := state.AddTo(b, 7, step.delta)
		require.NoError(t, err)
		require.Equal(t, step.sum, sum)
	}
	got, ok, err := a.Get(7)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 127, got)
	floats, _ := mapsOf[float64, float32](t)
	sum, err := state.AddTo(floats, math.NaN(), 1.5)
	require.NoError(t, err)
	require.EqualValues(t, 1.5, sum)
	sum, err = state.AddTo(floats, math.NaN(), 1.5)
	require.NoError(t, err)
	require.EqualValues(t, 3, sum, "a NaN is like itself")
}

func TestAMapByItsName(t *testing.T) {
	seg := anonymous(t)
	_, err := state.OpenMap[int, int](seg, "m")
	require.ErrorIs(t, err, shm.ErrNotExist)
	a, err := state.OpenOrNewMap[int, int](seg, "m")
	require.NoError(t, err)
	require.NoError(t, a.Set(1, 2))
	b, err := state.OpenOrNewMap[int, int](again(t, seg), "m")
	require.NoError(t, err)
	require.Equal(t, a.Ref(), b.Ref())
	got, ok, err := b.Get(1)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 2, got)
	_, err = state.NewMap[int, int](seg, shm.Named("m"))
	require.ErrorIs(t, err, shm.ErrExist)
	_, err = state.OpenMap[int, uint](seg, "m")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = state.OpenMap[int8, int](seg, "m")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = state.OpenArray[int](seg, "m")
	require.ErrorIs(t, err, shm.ErrKind)
}

func TestWhatAMapCannotHold(t *testing.T) {
	seg := anonymous(t)
	_, err := state.NewMap[string, chan int](seg)
	require.ErrorContains(t, err, "chan int")
	_, err = state.NewMap[*int, int](seg)
	require.ErrorContains(t, err, "*int")
	_, err = state.NewMap[struct{ A, B any }, int](seg)
	require.ErrorContains(t, err, ".A")
	_, err = state.NewMap[[2]struct{ Next *int }, int](seg)
	require.ErrorContains(t, err, "[].Next")
	require.Zero(t, seg.Stats().Blocks)
}

// Among more participants than a claim can name nothing is made.
func TestThereIsNoMapAmongTooManyParticipants(t *testing.T) {
	seg, err := shm.Anonymous(32<<20, shm.Participants(1<<15+1))
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	_, err = state.NewMap[int, int](seg, shm.Named("m"))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = state.OpenMap[int, int](seg, "m")
	require.ErrorIs(t, err, shm.ErrNotExist)
}

func TestAMapThatFindsNoMemoryKeepsWhatItHas(t *testing.T) {
	seg, err := shm.Anonymous(1<<18, shm.Participants(4))
	require.NoError(t, err)
	defer seg.Close()
	m, err := state.NewMap[int, int](seg)
	require.NoError(t, err)
	n := 0
	for ; err == nil; n++ {
		err = m.Set(n, n)
	}
	n--
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.Greater(t, n, 1000)
	for i := range n {
		got, ok, err := m.Get(i)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i, got)
		require.NoError(t, m.Set(i, -i), "what is there can be changed")
	}
	got, err := m.Len()
	require.NoError(t, err)
	require.Equal(t, n, got)
	for i := range n {
		ok, err := m.Delete(i)
		require.NoError(t, err)
		require.True(t, ok)
	}
	require.NoError(t, m.Set(-1, 1), "there is room now")
}

// Goroutines that share a handle, and others with one of their own, lose nothing of each other's while the Map grows.
func TestGoroutinesChangeAMapAtATime(t *testing.T) {
	a, b := mapsOf[uint64, uint64](t)
	const each, workers = 1500, 4
	done := make(chan error)
	for w := range uint64(workers) {
		m := []*state.Map[uint64, uint64]{a, b}[w%2]
		go func() {
			done <- func() error {
				for i := range uint64(each) {
					if err := m.Set(w<<32|i, i); err != nil {
						return err
					}
					if _, err := state.AddTo(m, i%50|1<<60, 1); err != nil {
						return err
					}
					if i%3 == 0 {
						if ok, err := m.Delete(w<<32 | i); err != nil || !ok {
							return errors.Join(err, errors.New("what was set is not there"))
						}
					}
				}
				return nil
			}()
		}()
	}
	for range workers {
		require.NoError(t, <-done)
	}
	n, err := a.Len()
	require.NoError(t, err)
	require.Equal(t, workers*each*2/3+50, n)
	for i := range uint64(50) {
		got, ok, err := b.Get(i | 1<<60)
		require.NoError(t, err)
		require.True(t, ok)
		require.EqualValues(t, workers*each/50, got)
	}
}

// After many changes a Map has the boxes of what is there, and nothing else.
func TestAMapOfTextsLosesNoBox(t *testing.T) {
	seg := anonymous(t)
	m, err := state.NewMap[uint16, []byte](seg)
	require.NoError(t, err)
	value := make([]byte, 300)
	const keys = 64
	used := uint64(0)
	for i := range 1_000_000 {
		if err := m.Set(uint16(i%keys), value[:i%len(value)]); err != nil {
			t.Fatal(err)
		}
		if i == 10_000 {
			used = seg.Stats().Used
		}
	}
	require.EqualValues(t, m.Blocks(), seg.Stats().Blocks)
	require.LessOrEqual(t, seg.Stats().Used, used)
	require.NoError(t, shm.Check(seg))
}

func TestWhatAMapOfBytesAllocates(t *testing.T) {
	seg := anonymous(t)
	m, err := state.NewMap[string, []byte](seg)
	require.NoError(t, err)
	value := make([]byte, 40)
	require.NoError(t, m.Set("key", value))
	most := 1.0 // the value
	if race.Enabled || runtime.GOARCH != "amd64" {
		most++ // the box is copied first, by loads that count as atomic
	}
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _, _ = m.Get("key") }), most)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = m.Set("key", value) }), 6.0)
}
