package state

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// observed makes a segment with a name and opens it once more for observation.
func observed(t *testing.T) (seg, watch *shm.Segment) {
	t.Helper()
	dir := shm.Dir(t.TempDir())
	seg, err := shm.Create("state", 1<<20, dir, shm.Participants(8), shm.As("maker"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	watch, err = shm.Open("state", dir, shm.Observe())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, watch.Close()) })
	return seg, watch
}

// objectOf is what an observer knows of an object whose type it does not know.
func objectOf(t *testing.T, watch *shm.Segment, ref shm.Ref) segment.Object {
	t.Helper()
	var found segment.Object
	require.NoError(t, watch.Engine().Objects(func(o segment.Object, _ string) bool {
		if o.Ref() == ref {
			found = o
		}
		return true
	}))
	require.NotZero(t, found.Kind())
	return found
}

func TestInspectTellsTheState(t *testing.T) {
	seg, watch := observed(t)
	word, err := NewValue[int32](seg, 42)
	require.NoError(t, err)
	large, err := NewValue(seg, [3]uint64{1})
	require.NoError(t, err)
	array, err := NewArray[odd](seg, 7)
	require.NoError(t, err)
	state := func(ref shm.Ref) string {
		t.Helper()
		o := objectOf(t, watch, ref)
		require.NoError(t, Check(o))
		info, err := Inspect(o)
		require.NoError(t, err)
		return info.String()
	}
	require.Equal(t, "4 bytes: 0x2a", state(word.Ref()))
	require.Equal(t, "24 bytes, stored 0 times", state(large.Ref()))
	require.NoError(t, large.Update(context.Background(), func(v *[3]uint64) error {
		require.Regexp(t, `^24 bytes, stored 0 times, locked by process \d+ \(maker\)$`, state(large.Ref()))
		v[1] = 2
		return nil
	}))
	require.Equal(t, "24 bytes, stored 1 times", state(large.Ref()))
	require.Equal(t, "7 elements of 3 bytes", state(array.Ref()))
	pairs, err := NewMap[int32, bool](seg)
	require.NoError(t, err)
	require.NoError(t, pairs.Set(1, true))
	require.Equal(t, "1 pairs of 4 and 1 bytes in 4 buckets", state(pairs.Ref()))
	require.NoError(t, pairs.t.push(pairs.t.loadRoot()))
	require.Equal(t, "1 pairs of 4 and 1 bytes in 8 buckets, growing: 44 to be moved", state(pairs.Ref()))
}

type odd [3]byte

func TestWhatContradictsItselfIsCorrupt(t *testing.T) {
	seg, _ := observed(t)
	v, err := NewValue(seg, [3]uint64{1})
	require.NoError(t, err)
	a, err := NewArray[odd](seg, 7)
	require.NoError(t, err)
	object := func(ref shm.Ref) segment.Object { return objectOf(t, seg, ref) }
	corrupt := func() {
		t.Helper()
		_, errV := ValueFrom[[3]uint64](seg, v.Ref())
		_, errA := ArrayFrom[odd](seg, a.Ref())
		if errV == nil {
			require.ErrorIs(t, errA, shm.ErrCorrupt)
			require.ErrorIs(t, Check(object(a.Ref())), shm.ErrCorrupt)
		} else {
			require.ErrorIs(t, errV, shm.ErrCorrupt)
			require.ErrorIs(t, Check(object(v.Ref())), shm.ErrCorrupt)
		}
	}
	for _, size := range []uint64{1 << 63, 200, 0, 8} {
		v.state.size = size
		if size > 8 {
			corrupt()
		} else {
			_, err := ValueFrom[[3]uint64](seg, v.Ref())
			require.ErrorIs(t, err, shm.ErrCorrupt)
		}
	}
	v.state.size = 24
	s := arrayIn(object(a.Ref()))
	for _, damage := range []struct{ length, size, stride, data uint64 }{
		{1 << 60, 3, 4, s.data}, {1000, 3, 4, s.data}, {7, 3, 0, s.data}, {7, 3, 8, s.data}, {7, 3, 4, s.data + 8},
		{7, 1 << 63, 4, s.data}, {0, 100, 216, s.data + 1},
	} {
		length, size, stride, data := s.length, s.size, s.stride, s.data
		s.length, s.size, s.stride, s.data = damage.length, damage.size, damage.stride, damage.data
		corrupt()
		s.length, s.size, s.stride, s.data = length, size, stride, data
	}
	_, err = ArrayFrom[odd](seg, a.Ref())
	require.NoError(t, err)
}

func TestABoolThatIsNoneIsCorrupt(t *testing.T) {
	type flags struct {
		A bool
		B [2]uint64
	}
	seg, _ := observed(t)
	word, err := NewValue(seg, true)
	require.NoError(t, err)
	large, err := NewValue(seg, flags{A: true})
	require.NoError(t, err)
	array, err := NewArray[bool](seg, 2)
	require.NoError(t, err)
	word.state.word.Store(2)
	_, err = word.Load()
	require.ErrorIs(t, err, shm.ErrCorrupt)
	require.ErrorIs(t, word.Update(context.Background(), func(*bool) error { return nil }), shm.ErrCorrupt)
	large.twin.copies[0][0] = 2
	_, err = large.Load()
	require.ErrorIs(t, err, shm.ErrCorrupt)
	array.storeWord(1, 2)
	_, err = array.Load(1)
	require.ErrorIs(t, err, shm.ErrCorrupt)
	// What is stored is whole again.
	require.NoError(t, word.Store(true))
	require.NoError(t, large.Store(flags{}))
	require.NoError(t, array.Store(1, true))
	got, err := word.Load()
	require.NoError(t, err)
	require.True(t, got)
	_, err = large.Load()
	require.NoError(t, err)
	got, err = array.Load(1)
	require.NoError(t, err)
	require.True(t, got)
}

func TestInspectRefusesOtherKinds(t *testing.T) {
	seg, _ := observed(t)
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 8})
	require.NoError(t, err)
	_, err = Inspect(o)
	require.ErrorIs(t, err, shm.ErrKind)
	require.ErrorIs(t, Check(o), shm.ErrKind)
}

// A reader that finds no gap between stores takes the lock, and one that finds it taken looks again.
func TestALoadThatFindsNoGapGetsTheValueAllTheSame(t *testing.T) {
	seg, _ := observed(t)
	v, err := NewValue(seg, [3]uint64{1, 2, 3})
	require.NoError(t, err)
	var got [3]uint64
	require.NoError(t, v.twin.readSlow(bytesOf(&got), &v.lock))
	require.Equal(t, [3]uint64{1, 2, 3}, got)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = v.Store([3]uint64{i, i, i})
			}
		}
	}()
	for range 200 {
		require.NoError(t, v.twin.readSlow(bytesOf(&got), &v.lock))
		require.True(t, got == [3]uint64{1, 2, 3} || got[0] == got[1] && got[1] == got[2], "%v", got)
	}
	close(stop)
	<-done
}

// A Map that contradicts itself is an error, wherever it is met, and nothing worse.
func TestAMapThatContradictsItselfIsCorrupt(t *testing.T) {
	seg, _ := observed(t)
	m, err := NewMap[uint64, bool](seg)
	require.NoError(t, err)
	for i := range uint64(300) {
		require.NoError(t, m.Set(i, true))
	}
	s := m.t.state
	right := s.root.Load()
	for _, wrong := range [][2]uint64{{255, 0}, {0, 5}, {3, 1 << 34}, {200, 10}} {
		s.root.Store(uint64(makeRoot(wrong[0], wrong[1])))
		_, err := MapFrom[uint64, bool](seg, m.Ref())
		require.ErrorIs(t, err, shm.ErrCorrupt)
		require.ErrorIs(t, m.Set(1000, true), shm.ErrCorrupt)
		_, _, err = m.Get(2000)
		require.ErrorIs(t, err, shm.ErrCorrupt)
		_, err = m.Len()
		require.ErrorIs(t, err, shm.ErrCorrupt)
	}
	s.root.Store(right)
	for _, damage := range []func(){
		func() { s.extent = 100 }, func() { s.extent = 1 << 40 }, func() { s.listed = 0 }, func() { s.lists = 1 << 60 },
		func() { s.keySize = 4 }, func() { s.valueSize = 8 },
	} {
		keySize, valueSize, extent, listed, lists := s.keySize, s.valueSize, s.extent, s.listed, s.lists
		damage()
		_, err := MapFrom[uint64, bool](seg, m.Ref())
		require.ErrorIs(t, err, shm.ErrCorrupt)
		s.keySize, s.valueSize, s.extent, s.listed, s.lists = keySize, valueSize, extent, listed, lists
	}
	o := objectOf(t, seg, m.Ref())
	require.NoError(t, Check(o))
	for r := m.t.loadRoot(); r.cut() > 0; r = m.t.loadRoot() {
		require.NoError(t, m.t.move(r))
	}
	level := m.t.loadRoot().level()
	key, slot, ok := uint64(0), 0, false
	var b *bucket
	for ; !ok; key++ { // most are at home
		b = m.t.at(level, homeOf(m.t.hash(key), m.t.sizes[level]))
		slot, ok = b.find(header(b.header.Load()), key, m.t.hash(key))
	}
	key--
	b.pairs[slot].value.Store(2)
	_, _, err = m.Get(key)
	require.ErrorIs(t, err, shm.ErrCorrupt, "no bool")
	require.ErrorIs(t, m.Update(key, func(*bool, bool) error { return nil }), shm.ErrCorrupt)
	_, err = m.Snapshot()
	require.ErrorIs(t, err, shm.ErrCorrupt)
	require.NoError(t, m.Set(key, false), "what is set is whole again")
	require.NoError(t, Check(o))
	b.pairs[slot].key.Store(1 << 50)
	require.Zero(t, b.header.Load()>>liveShift>>slot&1)
	b.header.Add(1 << liveShift << slot)
	require.ErrorIs(t, Check(o), shm.ErrCorrupt)
}
