package state

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// Blocks is how many blocks of the heap a Map has, if it has none but those that it needs.
func (m *Map[K, V]) Blocks() int {
	t := &m.t
	n := 1
	for e := uint64(0); e < t.extents; e++ {
		if e%t.listed == 0 && t.word(e) != 0 {
			n++
		}
		if _, off := t.lookUp(e); off != 0 {
			n++
		}
	}
	return n + len(m.boxes())
}

// boxes are the places of all that are live.
func (m *Map[K, V]) boxes() map[uint64]bool {
	all := make(map[uint64]bool)
	t := &m.t
	if !t.boxed {
		return all
	}
	note := func(level, p uint64) {
		if b := t.at(level, p); b != nil {
			for live := header(b.header.Load()).as(roleAt(level)).live(); live != 0; live &= live - 1 {
				all[b.pairs[bits.TrailingZeros64(live)].value.Load()] = true
			}
		}
	}
	r := t.loadRoot()
	for p := range r.cut() {
		note(r.level()-1, p)
	}
	for p := range t.size(r.level()) {
		if p >= r.cut() || p < doubled {
			note(r.level(), p)
		}
	}
	return all
}

// texts is one Map of strings, through two participants.
func texts(t *testing.T) (seg *shm.Segment, a, b *Map[string, string]) {
	t.Helper()
	seg, err := shm.Anonymous(2<<20, shm.Participants(8))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	a, err = NewMap[string, string](seg)
	require.NoError(t, err)
	b, err = MapFrom[string, string](attach(t, seg), a.Ref())
	require.NoError(t, err)
	return seg, a, b
}

func accounted(t *testing.T, seg *shm.Segment, m *Map[string, string]) {
	t.Helper()
	require.NoError(t, shm.Check(seg))
	require.NoError(t, Check(objectAt(t, m)))
	require.EqualValues(t, m.Blocks(), seg.Stats().Blocks)
}

// twins are two keys that have one hash: XXH3 of 16 bytes adds the one half, the other one backwards, and their product.
func twins(t *testing.T, m *Map[string, string], n uint64) (x, y string) {
	t.Helper()
	secret := []uint64{0x1f67b3b7a4a44072, 0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82, 0x8e2443f7744608b8}
	first, second := (secret[0]^secret[1])+m.t.raw, (secret[2]^secret[3])-m.t.raw
	of := func(lo, hi uint64) string {
		b := binary.LittleEndian.AppendUint64(nil, lo^first)
		return string(binary.LittleEndian.AppendUint64(b, hi^second))
	}
	x, y = of(0, n), of(bits.ReverseBytes64(n), 0)
	require.NotEqual(t, x, y)
	require.Equal(t, m.t.hashOf([]byte(x)), m.t.hashOf([]byte(y)))
	return x, y
}

func TestKeysWithOneHashHaveOneBox(t *testing.T) {
	seg, a, b := texts(t)
	for n := range uint64(200) {
		x, y := twins(t, a, n+1)
		require.NoError(t, a.Set(x, "x"))
		_, ok, err := b.Get(y)
		require.NoError(t, err)
		require.False(t, ok)
		_, ok, err = a.Swap(y, "y")
		require.NoError(t, err)
		require.False(t, ok)
		for k, v := range map[string]string{x: "x", y: "y"} {
			got, ok, err := b.Get(k)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, v, got)
		}
		if n%3 == 0 {
			ok, err := b.Delete(x)
			require.NoError(t, err)
			require.True(t, ok)
			ok, err = b.Delete(x)
			require.NoError(t, err)
			require.False(t, ok)
		}
		if n%6 == 0 {
			ok, err := a.CompareAndDelete(y, "y")
			require.NoError(t, err)
			require.True(t, ok)
		}
	}
	all, err := b.Snapshot()
	require.NoError(t, err)
	n, err := b.Len()
	require.NoError(t, err)
	require.Len(t, all, n)
	require.Equal(t, 400-67-34, n)
	accounted(t, seg, a)
	require.NoError(t, a.Clear())
	accounted(t, seg, a)
}

// Somebody is stopped with a box in a slot that he claims, and comes too late: he frees it himself.
func TestOneWhoComesTooLateFreesHisBox(t *testing.T) {
	seg, a, b := texts(t)
	require.NoError(t, a.Set("k", "one"))
	late := packing{t: &a.t, key: []byte("k")}
	s := search{key: a.t.hashOf([]byte("k"))}
	s.hash, s.root = a.t.hash(s.key), a.t.loadRoot()
	require.Equal(t, there, a.t.seek(&s))
	place, _, err := late.pack([]byte("k"), []byte("late"), true, nil, 0)
	require.NoError(t, err)
	require.NoError(t, b.Set("k", "two"))
	slot := bits.TrailingZeros64(^header(s.b.header.Load()).live() & liveMask)
	_, ok := s.b.claim(slot, a.t.claim)
	require.True(t, ok)
	require.False(t, a.t.commitBox(&s, s.h.holding(s.h.live()&^(1<<s.slot)|1<<slot), slot, place))
	require.Zero(t, s.b.pairs[slot].value.Load(), "nobody finds what is a draft again")
	require.NoError(t, late.box.Free())
	accounted(t, seg, a)
	got, _, err := a.Get("k")
	require.NoError(t, err)
	require.Equal(t, "two", got)
}

// A slot that was left from before its bucket was moved names a box that is live where it went: nobody frees it.
func TestWhatASlotNamesFromBeforeIsLeftAloneIfItIsLive(t *testing.T) {
	seg, a, b := texts(t)
	for i := range 2000 {
		require.NoError(t, []*Map[string, string]{a, b}[i%2].Set(strconv.Itoa(i), strings.Repeat("v", i%50)))
		if i%100 == 0 {
			accounted(t, seg, a)
		}
	}
	for i := range 2000 {
		got, ok, err := b.Get(strconv.Itoa(i))
		require.NoError(t, err)
		require.True(t, ok)
		require.Len(t, got, i%50)
	}
	accounted(t, seg, a)
}

// Of a box that its writer left in a slot when he died, the next one who writes to the bucket gets rid.
func TestTheBoxesOfTheDeadAreFreed(t *testing.T) {
	for _, settled := range []bool{false, true} {
		seg, a, b := texts(t)
		require.NoError(t, a.Set("k", "one"))
		p := packing{t: &b.t, key: []byte("k")}
		s := search{key: b.t.hashOf([]byte("k"))}
		s.hash, s.root = b.t.hash(s.key), b.t.loadRoot()
		require.Equal(t, there, b.t.seek(&s))
		place, _, err := p.pack([]byte("k"), []byte("two"), true, nil, 0)
		require.NoError(t, err)
		slot := bits.TrailingZeros64(^s.h.live() & liveMask)
		_, ok := s.b.claim(slot, b.t.claim)
		require.True(t, ok)
		s.b.pairs[slot].putBox(s.key, place)
		if settled {
			require.NoError(t, p.box.Settle())
		}
		require.NoError(t, b.seg.Close())
		require.NoError(t, a.Set("k", "three"))
		accounted(t, seg, a)
	}
}

// Somebody overwrites whatever there is of a Map, and what is in its boxes: calls end, and say what is wrong.
func TestAMapOfBoxesOfWhichAnyWordIsOverwritten(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		seg, err := shm.Anonymous(1<<18, shm.Participants(4))
		require.NoError(t, err)
		m, err := NewMap[string, []string](seg)
		require.NoError(t, err)
		for i := range r.IntN(300) {
			require.NoError(t, m.Set(strconv.Itoa(i), []string{strconv.Itoa(i)}))
		}
		parts := m.t.parts()
		for place := range m.boxes() {
			b, err := m.t.seg.BlockAt(place)
			require.NoError(t, err)
			parts = append(parts, b.Bytes())
		}
		overwrite(parts, r)
		note := func(err error) {
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, shm.ErrNoSpace) {
				require.NoError(t, err)
			}
		}
		for i := range 350 {
			k := strconv.Itoa(i)
			_, _, err := m.Get(k)
			note(err)
			note(m.Set(k, nil))
			_, _, err = m.Swap(k, []string{"a"})
			note(err)
			if i%3 == 0 {
				_, err = m.Delete(k)
				note(err)
			}
		}
		_, err = m.Snapshot()
		note(err)
		_, err = m.Len()
		note(err)
		note(m.Clear())
		require.NoError(t, seg.Close())
	}
}
