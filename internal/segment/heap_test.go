package segment

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObjectsLieApartAlignedAndZeroed(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	type extent struct{ from, to uint64 }
	var all []extent
	for i := range 200 {
		spec := Spec{Kind: KindRaw, Layout: uint64(i), Size: uint64(i * 13)}
		if i%3 == 0 {
			spec.Align = 8 << (i % 10)
			spec.AlignAt = uint64(i % 5 * 8)
		}
		o, err := s.New(spec)
		require.NoError(t, err)
		require.GreaterOrEqual(t, o.Size(), spec.Size)
		require.Zero(t, o.Offset()%8)
		if spec.Align > 0 {
			require.Zero(t, (o.Offset()+spec.AlignAt)%spec.Align)
		}
		require.Equal(t, make([]byte, o.Size()), o.Bytes())
		for k := range o.Bytes() {
			o.Bytes()[k] = 0xff
		}
		all = append(all, extent{o.off, o.end})
	}
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.from, b.from) })
	for i := range len(all) - 1 {
		require.LessOrEqual(t, all[i].to, all[i+1].from)
	}
	require.NoError(t, s.Check())
	seen := make(map[uint64]bool)
	require.NoError(t, s.Objects(func(o Object, name string) bool {
		require.False(t, seen[o.Layout()])
		require.Empty(t, name)
		seen[o.Layout()] = true
		return true
	}))
	require.Len(t, seen, 200)
}

func TestAnObjectThatDoesNotFitLeavesNothing(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 1})
	for _, size := range []uint64{uint64(s.Size()), 1 << 40, math.MaxUint64, math.MaxUint64 - 100, math.MaxInt64} {
		_, err := s.New(Spec{Kind: KindRaw, Size: size, Name: "x"})
		require.ErrorIs(t, err, ErrNoSpace, "%d", size)
	}
	for {
		if _, err := s.New(Spec{Kind: KindRaw, Size: 64}); err != nil {
			require.ErrorIs(t, err, ErrNoSpace)
			break
		}
	}
	before := s.Info().Used
	require.Equal(t, s.heap.count<<s.heap.shift, before, "to the last byte")
	for range 3 {
		_, err := s.New(Spec{Kind: KindRaw, Size: 64, Name: "x"})
		require.ErrorIs(t, err, ErrNoSpace)
	}
	require.Equal(t, before, s.Info().Used)
	_, err := s.Lookup("x", KindRaw, 0)
	require.ErrorIs(t, err, ErrNotExist)
	require.NoError(t, s.Check())
}

func TestManyBuildersOfTheSameNamesMakeEachOnce(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	other := again(t, s, Config{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := make(map[string]int)
	for i := range 6 {
		from := []*Segment{s, other}[i%2]
		wg.Go(func() {
			for k := range 50 {
				name := fmt.Sprint("object ", k)
				_, err := from.New(Spec{Kind: KindRaw, Size: 8, Name: name})
				if err == nil {
					mu.Lock()
					made[name]++
					mu.Unlock()
				} else if !errors.Is(err, ErrExist) {
					t.Error(err)
				}
				_, err = from.Lookup(name, KindRaw, 0)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, made, 50)
	for name, n := range made {
		require.Equal(t, 1, n, name)
	}
	require.NoError(t, s.Check())
}

func TestAnObjectIsFoundAsWhatItIs(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindMutex, Layout: 7, Size: 32, Name: "m"})
	require.NoError(t, err)
	for _, find := range []func(kind Kind, layout uint64) (Object, error){
		func(kind Kind, layout uint64) (Object, error) { return s.Lookup("m", kind, layout) },
		func(kind Kind, layout uint64) (Object, error) { return s.Resolve(o.Ref(), kind, layout) },
	} {
		got, err := find(KindMutex, 7)
		require.NoError(t, err)
		require.Equal(t, o, got)
		_, err = find(KindSemaphore, 7)
		require.ErrorIs(t, err, ErrKind)
		require.ErrorContains(t, err, "a mutex and no semaphore")
		_, err = find(KindMutex, 8)
		require.ErrorIs(t, err, ErrLayout)
	}
	_, err = s.Lookup("n", KindMutex, 7)
	require.ErrorIs(t, err, ErrNotExist)
}

func TestAReferenceThatLeadsElsewhereIsStale(t *testing.T) {
	s, stranger := anonymous(t, 1<<16, Config{}), anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 8})
	require.NoError(t, err)
	for what, ref := range map[string]Ref{
		"nothing":             {},
		"another generation":  makeRef(s.id, o.off, 2),
		"generation 0":        makeRef(s.id, o.off, 0),
		"the last generation": makeRef(s.id, o.off, maxGeneration),
		"within the object":   makeRef(s.id, o.off+8, 1),
		"the header":          makeRef(s.id, 0, 1),
		"the table":           makeRef(s.id, tableOffset, 1),
		"beyond the heap":     makeRef(s.id, o.end, 1),
		"beyond the segment":  makeRef(s.id, s.m.size(), 1),
		"as far as can be":    makeRef(s.id, maxSize-8, 1),
		"another segment":     makeRef(s.id+1, o.off, 1),
	} {
		_, err := s.Resolve(ref, KindRaw, 0)
		require.ErrorIs(t, err, ErrStale, what)
	}
	_, err = stranger.Resolve(o.Ref(), KindRaw, 0)
	require.ErrorIs(t, err, ErrStale)
	require.ErrorContains(t, err, fmt.Sprintf("%016x", s.id))
}

func TestAReferenceSurvivesItsBytes(t *testing.T) {
	ref := makeRef(math.MaxUint64, maxSize-Line, maxGeneration)
	require.EqualValues(t, uint64(math.MaxUint64), ref.Segment())
	require.Equal(t, uint64(maxSize-Line), ref.Offset())
	require.EqualValues(t, maxGeneration, ref.Generation())
	b, err := ref.MarshalBinary()
	require.NoError(t, err)
	require.Len(t, b, 16)
	var back Ref
	require.NoError(t, back.UnmarshalBinary(b))
	require.Equal(t, ref, back)
	for _, bad := range [][]byte{nil, b[:15], append(b, 0)} {
		require.ErrorIs(t, back.UnmarshalBinary(bad), ErrCorrupt)
	}
	require.True(t, Ref{}.IsZero())
	require.False(t, ref.IsZero())
}

func TestABlockCostsNothingOfGosHeap(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	for _, settled := range []bool{false, true} {
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			b, err := s.Alloc(64, 0)
			if settled {
				err = errors.Join(err, b.Settle())
			}
			if err = errors.Join(err, b.Free()); err != nil {
				panic(err)
			}
		}))
	}
}
