package state

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

func TestTheHashOfAKeyIsXXH3(t *testing.T) {
	for range 1000 {
		seed, key := rand.Uint64(), rand.Uint64()
		m := table{seed: keySeed(seed)}
		require.Equal(t, xxh3.HashSeed(bytesOf(&key), seed), m.hash(key))
	}
}

// A pair of a bucket that is moved goes to buckets that are free by then, at every level.
func TestATableMovesIntoWhatIsFree(t *testing.T) {
	sizes := sizesOf()
	for level := 1; sizes[level] < 1<<40; level++ {
		old, now := sizes[level-1], sizes[level]
		require.Greater(t, now, old)
		for _, b := range []uint64{doubled, doubled + 1, doubled + reach, old / 2, old - 1, old + reach - 1} {
			if b >= doubled && b < old+reach {
				require.Greater(t, scale(b-reach, now, old), b, "bucket %d of %d", b, old)
			}
		}
	}
}

func TestCandidatesAreThoseWithTheTagAndThoseThatAreClaimed(t *testing.T) {
	for range 1000 {
		var b bucket
		var want uint64
		tag, live := rand.Uint64()&(tagClaimed-1), rand.Uint64()&liveMask
		for s := range bucketSlots {
			x := rand.Uint64() & tagMask
			switch rand.IntN(4) {
			case 0:
				x = tag
			case 1:
				x = tag ^ 1<<rand.IntN(15)
			}
			b.setTag(s, x)
			if x == tag || x&tagClaimed != 0 {
				want |= 1 << s
			}
		}
		require.Equal(t, want&live, b.candidates(live, tag))
		require.Equal(t, want&live, b.candidatesByWord(live, tag))
	}
}

// tables is one Map of a segment with room for a few thousand pairs, through two participants.
func tables(t *testing.T) (a, b *Map[uint64, uint64]) {
	t.Helper()
	seg, err := shm.Anonymous(1<<20, shm.Participants(8))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	a, err = NewMap[uint64, uint64](seg)
	require.NoError(t, err)
	other := attach(t, seg)
	b, err = MapFrom[uint64, uint64](other, a.Ref())
	require.NoError(t, err)
	return a, b
}

// attach is one more participant, as another process would be.
var attach = proctest.Attach

func fill(t *testing.T, m *Map[uint64, uint64], from, to uint64) {
	t.Helper()
	for i := from; i < to; i++ {
		require.NoError(t, m.Set(i, i))
	}
}

func whole(t *testing.T, m *Map[uint64, uint64], n uint64) {
	t.Helper()
	for i := range n {
		got, ok, err := m.Get(i)
		require.NoError(t, err)
		require.True(t, ok, "key %d", i)
		require.Equal(t, i, got)
	}
	count, err := m.Len()
	require.NoError(t, err)
	require.EqualValues(t, n, count)
	all, err := m.Snapshot()
	require.NoError(t, err)
	require.Len(t, all, int(n))
	require.NoError(t, Check(objectAt(t, m)))
}

// Somebody stops in the middle of moving a bucket, behind each of its steps. Others read all, and write all, and finish
// it.
func TestWhatSomebodyBeganToMoveIsMovedByOthers(t *testing.T) {
	for _, copied := range []int{0, 1, 10, 100} {
		a, b := tables(t)
		n := uint64(700)
		fill(t, a, 0, n)
		for r := a.t.loadRoot(); r.cut() > 0; r = a.t.loadRoot() {
			require.NoError(t, a.t.move(r))
		}
		require.NoError(t, a.t.push(a.t.loadRoot()))
		for a.t.loadRoot().cut() > 0 {
			r := a.t.loadRoot()
			require.NoError(t, a.t.prepare(r))
			from := a.t.at(r.level()-1, r.cut()-1)
			h, ok := a.t.freeze(from, r)
			require.True(t, ok)
			s := search{fixed: true, root: r}
			for live, i := h.live(), 0; live != 0 && i < copied; live, i = live&(live-1), i+1 {
				p := &from.pairs[bits.TrailingZeros64(live)]
				s.key = p.key.Load()
				s.hash = a.t.hash(s.key)
				done, err := a.t.copy(&s, p.value.Load())
				require.NoError(t, err)
				require.True(t, done)
			}
			if r.cut()%5 == 0 {
				whole(t, b, n)
			}
			for i := uint64(0); b.t.loadRoot() == r; i++ {
				require.NoError(t, b.Set(i%n, i%n+1), "an insert, or a key on its way, moves it")
				got, _, err := a.Get(i % n)
				require.NoError(t, err)
				require.Equal(t, i%n+1, got)
				require.NoError(t, b.Set(i%n, i%n))
				if i >= n {
					require.NoError(t, b.Set(n, n))
					n++
				}
			}
			done, err := a.t.copy(&s, 0)
			require.NoError(t, err)
			require.False(t, done, "the late one sees that he is")
		}
		whole(t, a, n)
	}
}

// Somebody stops when he has claimed all slots that he moves pairs to: they go further on, and he comes too late.
func TestPairsAreMovedThoughTheirSlotsAreClaimed(t *testing.T) {
	a, b := tables(t)
	const n = 700
	fill(t, a, 0, n)
	for r := a.t.loadRoot(); r.cut() > 0; r = a.t.loadRoot() {
		require.NoError(t, a.t.move(r))
	}
	require.NoError(t, a.t.push(a.t.loadRoot()))
	for r := a.t.loadRoot(); r.cut() > 0; r = a.t.loadRoot() {
		require.NoError(t, a.t.prepare(r))
		from := a.t.at(r.level()-1, r.cut()-1)
		h, ok := a.t.freeze(from, r)
		require.True(t, ok)
		var to *bucket
		var raw header
		if h.live() != 0 && r.cut()%8 == 0 {
			key := from.pairs[bits.TrailingZeros64(h.live())].key.Load()
			to = a.t.at(r.level(), homeOf(a.t.hash(key), a.t.sizes[r.level()]))
			raw = header(to.header.Load())
			free := ^raw.as(roleAt(r.level())).live() & liveMask
			require.True(t, a.t.takeAll(to, raw, free))
			require.False(t, b.t.takeAll(to, raw, free&-free))
		}
		require.NoError(t, b.t.move(r))
		require.NotEqual(t, r, b.t.loadRoot())
		if to != nil {
			require.NotEqual(t, raw, header(to.header.Load()), "what he swaps is not there any more")
			var none [tagWords]uint64
			a.t.giveBack(to, ^raw.as(roleAt(r.level())).live()&liveMask, &none)
		}
	}
	whole(t, a, n)
}

// A process that dies with claims on slots leaves them to others.
func TestClaimsOfTheDeadAreTakenBack(t *testing.T) {
	a, b := tables(t)
	require.NoError(t, a.Set(1, 1))
	at := a.t.at(0, homeOf(a.t.hash(1), first))
	for s := range bucketSlots {
		_, ok := at.claim(s, b.t.claim)
		require.True(t, ok)
	}
	require.NoError(t, b.seg.Close())
	require.NoError(t, a.Set(1, 2))
	got, ok, err := a.Get(1)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 2, got)
}

// One who was slow finds a slot that was free then, and live since, with the claim of one who died behind his commit.
func TestAClaimOfTheDeadOnAPairThatIsThereIsNotLost(t *testing.T) {
	a, b := tables(t)
	key := uint64(1)
	for tagOf(a.t.hash(key)) == 0 {
		key++
	}
	s := search{key: key, hash: a.t.hash(key), root: a.t.loadRoot()}
	require.NoError(t, a.t.provide(0, homeOf(s.hash, first)))
	require.Equal(t, missing, a.t.seek(&s))
	require.NoError(t, a.Set(key, 2))
	slot, ok := s.b.find(header(s.b.header.Load()), key, s.hash)
	require.True(t, ok)
	s.b.setTag(slot, b.t.claim)
	require.NoError(t, b.seg.Close())
	require.NoError(t, a.t.makeRoom(&s, 15))
	got, ok, err := a.Get(key)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 2, got)
	require.NoError(t, a.Set(key, 3))
	n, err := a.Len()
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// One who links an extent stops before he settles it. Others use it; then he dies.
func TestAnExtentOutlivesWhoeverLinkedIt(t *testing.T) {
	seg, err := shm.Anonymous(1<<20, shm.Participants(8))
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	a, err := NewMap[uint64, uint64](seg)
	require.NoError(t, err)
	require.NoError(t, a.t.link(a.t.listWord(0), a.t.listBytes()))
	linker := attach(t, seg)
	extent, err := linker.Engine().Alloc(a.t.extentBytes(), 0)
	require.NoError(t, err)
	require.NoError(t, extent.Tie(a.t.word(0)))
	require.True(t, seg.Engine().Word(a.t.word(0)).CompareAndSwap(0, extent.Place()))

	fill(t, a, 0, 40) // in the first bucket, too
	require.NotZero(t, a.t.liveIn(0, 0))
	require.NoError(t, linker.Close())
	b, err := seg.Engine().BlockAt(extent.Place())
	require.NoError(t, err, "its death has not freed it")
	_, anybodys := b.Owner()
	require.False(t, anybodys)
	whole(t, a, 40)
}

// Somebody who lives holds all slots that a change of a value could use: the bucket is moved.
func TestAValueChangesThoughAllSlotsAreClaimed(t *testing.T) {
	a, b := tables(t)
	const n = 60
	fill(t, a, 0, n)
	for i := range uint64(n) {
		r := a.t.loadRoot()
		require.Zero(t, r.cut())
		at := bucketOf(t, a, i)
		for s := range bucketSlots {
			_, _ = at.claim(s, b.t.claim)
		}
		require.NoError(t, a.Set(i, i+1))
		require.True(t, r.before(a.t.loadRoot()))
		got, _, err := b.Get(i)
		require.NoError(t, err)
		require.Equal(t, i+1, got)
		require.NoError(t, a.Set(i, i))
		require.NoError(t, a.Set(i+n, i+n))
		for r := a.t.loadRoot(); r.cut() > 0; r = a.t.loadRoot() {
			require.NoError(t, a.t.move(r))
		}
		if i == 2 {
			break
		}
	}
	for i := range uint64(n) {
		got, ok, err := b.Get(i)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i, got)
	}
}

// bucketOf is the bucket in which a key is.
func bucketOf(t *testing.T, m *Map[uint64, uint64], key uint64) *bucket {
	s := search{key: key, hash: m.t.hash(key), root: m.t.loadRoot()}
	require.Equal(t, there, m.t.seek(&s))
	return s.b
}

// Those who hold all slots may be at work: the table does not grow for it at once.
func TestATableDoesNotGrowForClaimsOfTheBusy(t *testing.T) {
	a, b := tables(t)
	require.NoError(t, a.Set(1, 1))
	s := search{key: 1, hash: a.t.hash(1), root: a.t.loadRoot()}
	require.Equal(t, there, a.t.seek(&s))
	for slot := range bucketSlots {
		_, _ = s.b.claim(slot, b.t.claim)
	}
	done, err := a.t.store(&s, 2, 15)
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, s.root, a.t.loadRoot())
	done, err = a.t.store(&s, 2, tries/16+15)
	require.NoError(t, err)
	require.False(t, done)
	require.True(t, s.root.before(a.t.loadRoot()))
}

// A search under a root that was checked does not go on under one that was not.
func TestASearchGoesOnUnderTheRootThatWasChecked(t *testing.T) {
	a, _ := tables(t)
	s := search{key: 1, hash: a.t.hash(1), root: a.t.loadRoot()}
	a.t.state.root.Store(uint64(makeRoot(0, 5)))
	require.Equal(t, again, a.t.seek(&s))
	require.ErrorIs(t, a.Set(1, 1), ErrCorrupt)
}

// The root of a Map that goes back was written by somebody who keeps no rules.
func TestARootThatGoesBackEndsACall(t *testing.T) {
	a, _ := tables(t)
	fill(t, a, 0, 200)
	now := a.t.loadRoot()
	last := makeRoot(now.level()-1, 0)
	calls := 0
	require.ErrorIs(t, a.Update(1, func(v *uint64, _ bool) error {
		if calls++; calls == 1 {
			at := bucketOf(t, a, 1)
			a.t.state.root.Store(uint64(last))
			at.header.Add(uint64(versionStep))
		}
		return nil
	}), ErrCorrupt)
	for _, r := range []struct {
		from, to root
		before   bool
	}{
		{makeRoot(1, 0), makeRoot(2, 9), true}, {makeRoot(2, 9), makeRoot(2, 8), true}, {makeRoot(2, 8), makeRoot(2, 9), false},
		{makeRoot(2, 8), makeRoot(1, 0), false}, {makeRoot(2, 8), makeRoot(2, 8), false},
	} {
		require.Equal(t, r.before, r.from.before(r.to))
	}
}

// A key that was taken out and came back further on, while it was looked for, comes once.
func TestAKeyThatComesBackFurtherOnComesOnce(t *testing.T) {
	a, _ := tables(t)
	require.NoError(t, a.Set(1, 1))
	hash := a.t.hash(1)
	home := homeOf(hash, first)
	require.NoError(t, a.t.provide(0, home+1))
	from, to := a.t.at(0, home), a.t.at(0, home+1)
	// What one sees who has read the first bucket before the key was taken out.
	to.pairs[0].put(1, 2)
	to.setTag(0, tagOf(hash))
	to.header.Store(uint64(roleAt(0).holding(1)))
	from.header.Store(uint64(header(from.header.Load()).pass()))
	all, _, err := a.t.piece(hash, nil)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

// f is called again for another value, and not for another key of the bucket.
func TestUpdateCallsAgainForAnotherValueOnly(t *testing.T) {
	a, b := tables(t)
	require.NoError(t, a.Set(1, 1))
	neighbour := uint64(2)
	for homeOf(a.t.hash(neighbour), first) != homeOf(a.t.hash(1), first) {
		neighbour++
	}
	calls := 0
	require.NoError(t, a.Update(1, func(v *uint64, _ bool) error {
		calls++
		*v++
		return b.Set(neighbour, 0)
	}))
	require.Equal(t, 1, calls)
	require.NoError(t, a.Update(1, func(v *uint64, _ bool) error {
		if calls++; calls == 2 {
			require.NoError(t, b.Set(1, 10))
		}
		*v++
		return nil
	}))
	require.Equal(t, 3, calls)
	got, _, err := b.Get(1)
	require.NoError(t, err)
	require.EqualValues(t, 11, got)
}

// What a Map says of its row of buckets is what there is in the segment, and nothing else, however well it fits together.
func TestAMapOfAnotherRowIsCorrupt(t *testing.T) {
	a, _ := tables(t)
	s := a.t.state
	open := func() error { return new(table).open(objectAt(t, a)) }
	for _, shift := range []uint{9, 12, 20} {
		extent, listed := s.extent, s.listed
		s.extent, s.listed = 1<<shift, 1<<shift/16
		require.ErrorIs(t, open(), ErrCorrupt)
		s.extent, s.listed = extent, listed
	}
	s.lists--
	require.ErrorIs(t, open(), ErrCorrupt)
	s.lists++
	require.NoError(t, open())
}

// Under keys that come and go, buckets are passed as often as keys lie behind them, and the table does not grow.
func TestKeysThatComeAndGoDoNotMakeATableGrow(t *testing.T) {
	a, b := tables(t)
	const n = 2000
	fill(t, a, 0, n)
	for r := a.t.loadRoot(); r.cut() > 0; r = a.t.loadRoot() {
		require.NoError(t, a.t.move(r))
	}
	level := a.t.loadRoot().level()
	for i := range uint64(20 * n) {
		ok, err := b.Delete(i)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, a.Set(i+n, i))
	}
	require.LessOrEqual(t, a.t.loadRoot().level(), level+2)
	// When it has just grown there may be no key behind its home; there are some before it grows again.
	for more := uint64(21 * n); requirePassed(t, a) == 0; more += 50 {
		require.Less(t, more, uint64(25*n), "no key lies behind its home")
		for i := range uint64(50) {
			require.NoError(t, a.Set(more+i, 0))
		}
	}
}

// requirePassed has a Map moved whole, and looks whether its buckets were passed by as many keys as lie behind their homes,
// which it counts.
func requirePassed(t *testing.T, m *Map[uint64, uint64]) (keys int) {
	for r := m.t.loadRoot(); r.cut() > 0; r = m.t.loadRoot() {
		require.NoError(t, m.t.move(r))
	}
	level := m.t.loadRoot().level()
	behind := make([]int, m.t.size(level))
	for p := range m.t.size(level) {
		at := m.t.at(level, p)
		if at == nil {
			continue
		}
		for live := header(at.header.Load()).as(roleAt(level)).live(); live != 0; live &= live - 1 {
			key := at.pairs[bits.TrailingZeros64(live)].key.Load()
			for q := homeOf(m.t.hash(key), m.t.sizes[level]); q < p; q++ {
				behind[q]++
			}
		}
	}
	for p, n := range behind {
		if at := m.t.at(level, uint64(p)); at != nil {
			h := header(at.header.Load()).as(roleAt(level))
			require.Zero(t, h.passing())
			if h.passed() < passedMax {
				require.EqualValues(t, n, h.passed(), "bucket %d", p)
				keys += n
			}
		}
	}
	return keys
}

// The version of a bucket begins anew.
func TestTheVersionOfABucketWraps(t *testing.T) {
	a, b := tables(t)
	require.NoError(t, a.Set(1, 0))
	at := a.t.at(0, homeOf(a.t.hash(1), first))
	at.header.Store(at.header.Load() | ^uint64(versionStep-1)&^(3*versionStep))
	top := at.header.Load()
	for i := range uint64(10) {
		require.NoError(t, a.Set(1, i))
		got, ok, err := b.Get(1)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i, got)
		sum, err := AddTo(b, 1, 1)
		require.NoError(t, err)
		require.Equal(t, i+1, sum)
	}
	require.Less(t, at.header.Load(), top)
}

// A key that is there twice, in one bucket or in two, is found by Check.
func TestCheckFindsAKeyThatIsThereTwice(t *testing.T) {
	for _, further := range []uint64{0, 1} {
		a, _ := tables(t)
		require.NoError(t, a.Set(1, 1))
		hash := a.t.hash(1)
		home := homeOf(hash, first)
		require.NoError(t, a.t.provide(0, home+further))
		from, to := a.t.at(0, home), a.t.at(0, home+further)
		require.NoError(t, Check(objectAt(t, a)))
		const slot = bucketSlots - 1
		to.pairs[slot].put(1, 2)
		to.setTag(slot, tagOf(hash))
		h := header(to.header.Load()).as(roleAt(0))
		to.header.Store(uint64(h.holding(h.live() | 1<<slot)))
		from.header.Store(uint64(header(from.header.Load()).pass()))
		require.ErrorIs(t, Check(objectAt(t, a)), ErrCorrupt)
	}
}

func objectAt[K comparable, V any](t *testing.T, m *Map[K, V]) segment.Object {
	t.Helper()
	o, err := m.seg.Resolve(m.ref, m.kind, mapLayout[K, V]())
	require.NoError(t, err)
	return o
}
