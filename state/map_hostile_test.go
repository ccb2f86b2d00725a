package state

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// everything does all there is to a Map, and returns the errors that only a process that keeps no rules explains.
func everything(m *Map[uint64, uint64], k uint64) (wrong error) {
	note := func(err error) {
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, shm.ErrNoSpace) {
			wrong = errors.Join(wrong, err)
		}
	}
	for ; k%64 < 60; k++ {
		_, _, err := m.Get(k)
		note(err)
		note(m.Set(k, k))
		note(m.Set(k<<20, k))
		_, err = m.Delete(k + 100)
		note(err)
		_, err = AddTo(m, k, 1)
		note(err)
	}
	_, err := m.Len()
	note(err)
	_, err = m.Snapshot()
	note(err)
	if k%7 == 0 {
		note(m.Clear())
	}
	return wrong
}

// parts are the bytes of a Map: its body, its lists, and its extents.
func (t *table) parts() (all [][]byte) {
	bytes := func(off, n uint64) []byte { return memoryAt(t.base, off, n) }
	all = append(all, bytes(t.bodyOffset(), mapSize+t.extents/t.listed*8))
	for e := uint64(0); e < t.extents; e++ {
		if _, off := t.lookUp(e); off != 0 {
			all = append(all, bytes(off, t.extentBytes()))
			if at := t.word(e); e%t.listed == 0 {
				all = append(all, bytes(at, 64*8))
			}
		}
	}
	return all
}

func overwrite(all [][]byte, r *rand.Rand) {
	part := all[r.IntN(len(all))]
	i := r.IntN(len(part) / 8)
	if r.IntN(2) == 0 {
		i = r.IntN(min(8, len(part)/8))
	}
	word := part[8*i:][:8]
	switch r.IntN(4) {
	case 0:
		word[r.IntN(8)] ^= 1 << r.IntN(8)
	case 1:
		copy(word, []byte{255, 255, 255, 255, 255, 255, 255, 255})
	case 2:
		clear(word)
	default:
		for k := range word {
			word[k] = byte(r.Uint32())
		}
	}
}

func TestAMapOfWhichAnyWordIsOverwritten(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for trial := range 150 {
		seg, err := shm.Anonymous(1<<18, shm.Participants(4))
		require.NoError(t, err)
		m, err := NewMap[uint64, uint64](seg)
		require.NoError(t, err)
		fill(t, m, 0, uint64(r.IntN(400)))
		overwrite(m.t.parts(), r)
		for _, fresh := range []bool{false, true} {
			h := m
			if fresh {
				if h, err = MapFrom[uint64, uint64](seg, m.Ref()); err != nil {
					require.ErrorIs(t, err, ErrCorrupt)
					break
				}
			}
			require.NoError(t, everything(h, uint64(trial)*64))
		}
		require.NoError(t, seg.Close())
	}
}

// Somebody overwrites whatever there is of a Map, again and again, while others use it. Calls end, one way or another.
func TestAMapUnderAHostilePeer(t *testing.T) {
	a, b := tables(t)
	fill(t, a, 0, 300)
	all, r := b.t.parts(), rand.New(rand.NewPCG(1, 2))
	begun, stop, done := time.Now(), make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				overwrite(all, r)
			}
		}
	}()
	for i := range uint64(60) {
		require.NoError(t, everything(a, i*64))
	}
	close(stop)
	<-done
	require.Less(t, time.Since(begun), time.Minute)
}
