package state

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

func vacant(t *testing.T, m *Map[uint64, uint64], n uint64) {
	t.Helper()
	for i := range n {
		_, ok, err := m.Get(i)
		require.NoError(t, err)
		require.False(t, ok, "key %d", i)
	}
	count, err := m.Len()
	require.NoError(t, err)
	require.Zero(t, count)
	all, err := m.Snapshot()
	require.NoError(t, err)
	require.Empty(t, all)
	require.NoError(t, Check(objectAt(t, m)))
}

// swapCleared is Clear, by one who is stopped, or dies, behind its step.
func swapCleared(t *testing.T, m *table) {
	t.Helper()
	r := m.loadRoot()
	require.Zero(t, r.dirty())
	next := r.cleared(m.most(r.level()))
	require.True(t, m.state.root.CompareAndSwap(uint64(r), uint64(next)))
}

// Somebody stops behind the one step of Clear, and behind any that follows. Others find nothing, and go on with it while they use the
// Map, also if it was growing when it was cleared.
func TestWhatSomebodyClearedIsClearedAndOthersWipeIt(t *testing.T) {
	for _, wiped := range []int{0, 1, 50, 1000} {
		for _, growing := range []int{0, 1, 10} {
			a, b := tables(t)
			for round := range 2 * roles {
				fill(t, a, 0, 700)
				require.NoError(t, b.t.wipeAll())
				require.NoError(t, a.t.finishMoving())
				began := growing > 0 && round%roles == 3
				if began {
					require.NoError(t, a.t.push(a.t.loadRoot()))
				}
				for n := 1; began && n < growing; n++ {
					require.NoError(t, a.t.move(a.t.loadRoot()))
				}
				swapCleared(t, &a.t)
				vacant(t, b, 700)
				for range wiped {
					if r := a.t.loadRoot(); r.dirty() > 0 {
						require.NoError(t, a.t.wipeNext(r))
					}
				}
				vacant(t, b, 700)
				if round%3 == 0 {
					require.NoError(t, b.Clear())
					vacant(t, a, 700)
				}
			}
			fill(t, b, 0, 700)
			whole(t, a, 700)
			for i := uint64(0); !b.t.loadRoot().rests(); i++ {
				require.NoError(t, b.Set(i%700, i%700))
				b.t.assist()
			}
			whole(t, a, 700)
		}
	}
}

// finishMoving moves all that is to be moved.
func (t *table) finishMoving() error {
	for r := t.loadRoot(); r.cut() > 0; r = t.loadRoot() {
		if err := t.move(r); err != nil {
			return err
		}
	}
	return nil
}

// One who has looked for a key, and is stopped before his swap, comes behind a clear. If nobody has wiped the bucket his swap succeeds, and
// was before the clear; else it fails. In no case is anything there behind it.
func TestOneWhoComesBehindAClearChangesNothing(t *testing.T) {
	for _, first := range []bool{false, true} {
		a, b := tables(t)
		fill(t, a, 0, 300)
		require.NoError(t, a.t.finishMoving())
		late := search{key: 1000, hash: a.t.hash(1000), root: a.t.loadRoot()}
		require.Equal(t, missing, a.t.seek(&late))
		if first {
			require.NoError(t, b.Clear())
		} else {
			swapCleared(t, &b.t)
		}
		done, err := a.t.store(&late, 1, 0)
		require.NoError(t, err)
		require.Equal(t, !first, done)
		vacant(t, b, 1001)
		fill(t, b, 0, 300)
		gone := func(k uint64) {
			_, ok, err := a.Get(k)
			require.NoError(t, err)
			require.False(t, ok)
		}
		gone(1000)
		for range 3 * roles { // no later table takes what was put there for its own
			require.NoError(t, b.Clear())
			gone(1000)
		}
		require.NoError(t, Check(objectAt(t, b)))
	}
}

// One who moves a bucket is stopped, and goes on behind a clear.
func TestOneWhoMovesABucketBehindAClearBringsNothingBack(t *testing.T) {
	for _, wipe := range []bool{false, true} {
		a, b := tables(t)
		fill(t, a, 0, 700)
		require.NoError(t, a.t.finishMoving())
		require.NoError(t, a.t.push(a.t.loadRoot()))
		r := a.t.loadRoot()
		require.NoError(t, a.t.prepare(r))
		from := a.t.at(r.level()-1, r.cut()-1)
		h, ok := a.t.freeze(from, r)
		require.True(t, ok)
		swapCleared(t, &b.t)
		if wipe {
			require.NoError(t, b.t.wipeAll())
		}
		a.t.carry(r, from, h.live())
		there, err := a.t.copyAll(r, from, h.live())
		require.NoError(t, err)
		require.False(t, there && h.live() != 0)
		vacant(t, b, 700)
		require.NoError(t, b.t.wipeAll())
		fill(t, b, 0, 700)
		whole(t, a, 700)
	}
}

// Clear frees what pairs have, also what somebody who was stopped in it has left, and what one who comes late puts there.
func TestClearFreesTheBoxesWhoeverGoesOnWithIt(t *testing.T) {
	for _, wiped := range []int{0, 1, 60, 1000} {
		seg, a, b := texts(t)
		for i := range 300 {
			require.NoError(t, a.Set(fmt.Sprint("key ", i), fmt.Sprint(i)))
		}
		require.NoError(t, a.t.finishMoving())
		late := packing{t: &a.t, key: []byte("late")}
		s := search{key: a.t.hashOf([]byte("late"))}
		s.hash, s.root = a.t.hash(s.key), a.t.loadRoot()
		require.Equal(t, missing, a.t.seek(&s))
		place, _, err := late.pack([]byte("late"), []byte("late"), true, nil, 0)
		require.NoError(t, err)
		swapCleared(t, &b.t)
		for range wiped {
			if r := b.t.loadRoot(); r.dirty() > 0 {
				require.NoError(t, b.t.wipeNext(r))
			}
		}
		done, err := a.t.store(&s, place, 0)
		require.NoError(t, err)
		if !done {
			require.NoError(t, late.box.Free())
		}
		_, ok, err := a.Get("key 1")
		require.NoError(t, err)
		require.False(t, ok)
		require.NoError(t, b.t.wipeAll())
		accounted(t, seg, a)
		require.NoError(t, a.Set("key 1", "one"))
		accounted(t, seg, b)
		require.NoError(t, b.Clear())
		accounted(t, seg, a)
	}
}

// The number of clears begins anew, and the roles go on.
func TestClearsAreCountedRound(t *testing.T) {
	a, b := tables(t)
	fill(t, a, 0, 100)
	require.NoError(t, a.Clear())
	r := a.t.loadRoot()
	a.t.state.root.Store(uint64(makeRoot((clears-roles+r.level()/levels)*levels|r.level()%levels, 0)))
	for i := range 2 * roles {
		fill(t, a, 0, 100)
		whole(t, b, 100)
		was := a.t.loadRoot()
		require.NoError(t, b.Clear())
		vacant(t, a, 100)
		require.True(t, was.before(a.t.loadRoot()))
		require.Equal(t, roleAt(was.level())%roles+1, roleAt(a.t.loadRoot().level()), "clear %d", i)
	}
}

// Where what was cleared has all the memory, who stores something gets it.
func TestWhoStoresSomethingGetsTheMemoryOfWhatWasCleared(t *testing.T) {
	_, a, b := texts(t)
	n := 0
	var err error
	for ; err == nil; n++ {
		err = a.Set(fmt.Sprint("key ", n), strings.Repeat("x", 1000))
	}
	require.ErrorIs(t, err, shm.ErrNoSpace)
	swapCleared(t, &a.t)
	for i := range n / 2 {
		require.NoError(t, b.Set(fmt.Sprint("other ", i), strings.Repeat("x", 1000)))
	}
}

// Clear needs no memory, whatever somebody has begun.
func TestClearNeedsNoMemory(t *testing.T) {
	a, _ := tables(t)
	require.NoError(t, a.Set(1, 1))
	for size := uint64(1 << 16); size >= 64; {
		if _, err := a.t.seg.Alloc(size, 0); err != nil {
			require.ErrorIs(t, err, shm.ErrNoSpace)
			size /= 2
		}
	}
	at := a.t.at(0, homeOf(a.t.hash(1), first))
	at.header.Or(frozenFlag)
	require.NoError(t, a.Clear())
	vacant(t, a, 2)
	require.NoError(t, a.Set(1, 1))
}
