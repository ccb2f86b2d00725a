package ring_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// crossing is a ring of any number of ends, as two participants see it.
func crossing[T any](t testing.TB, capacity int) (a, b *ring.MPMC[T]) {
	t.Helper()
	s, other := twins(t)
	a, err := ring.NewMPMC[T](s, capacity)
	require.NoError(t, err)
	b, err = ring.MPMCFrom[T](other, a.Ref())
	require.NoError(t, err)
	return a, b
}

func TestMPMCHoldsExactlyItsCapacity(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 7, 8, 64, 100, 255, 256, 1000, 5000, 70000} {
		a, b := crossing[uint32](t, capacity)
		require.Equal(t, capacity, a.Cap())
		require.True(t, b.Empty())
		for lap := range 3 {
			for i := range capacity {
				ok, err := []*ring.MPMC[uint32]{a, b}[lap%2].TryPush(uint32(i))
				require.NoError(t, err)
				require.True(t, ok, "value %d of %d", i, capacity)
			}
			for _, m := range []*ring.MPMC[uint32]{a, b} {
				require.True(t, m.Full())
				require.Equal(t, capacity, m.Len())
				ok, err := m.TryPush(99)
				require.NoError(t, err)
				require.False(t, ok)
				require.ErrorIs(t, m.Push(over(), 99), context.Canceled)
			}
			for i := range capacity {
				v, ok, err := []*ring.MPMC[uint32]{b, a}[lap/2].TryPop()
				require.NoError(t, err)
				require.True(t, ok)
				require.EqualValues(t, i, v)
			}
			_, ok, err := a.TryPop()
			require.NoError(t, err)
			require.False(t, ok)
			require.True(t, a.Empty())
		}
	}
}

func TestMPMCRoomGoesToWhoeverNeedsIt(t *testing.T) {
	a, b := crossing[int](t, 100)
	for i := range 60 {
		require.NoError(t, a.Push(over(), i))
	}
	n, err := b.TryPushN(make([]int, 60))
	require.NoError(t, err)
	require.Equal(t, 40, n)
	require.True(t, a.Full())
	vs := make([]int, 200)
	n, err = a.TryPopN(vs)
	require.NoError(t, err)
	require.Equal(t, 100, n)
	n, err = b.TryPushN(make([]int, 200))
	require.NoError(t, err)
	require.Equal(t, 100, n)
}

func TestMPMCBatchesKeepTheirOrder(t *testing.T) {
	a, b := crossing[int](t, 1000)
	batch := make([]int, 500)
	for i := range batch {
		batch[i] = i
	}
	n, err := a.PushN(bounded(t), batch)
	require.NoError(t, err)
	require.Equal(t, 500, n)
	got := make([]int, 499)
	n, err = b.PopN(bounded(t), got)
	require.NoError(t, err)
	require.Equal(t, 499, n)
	require.Equal(t, batch[:499], got)
	n, err = b.PopN(bounded(t), nil)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = b.PopN(bounded(t), got)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 499, got[0])
}

func TestMPMCCloseDrains(t *testing.T) {
	a, b := crossing[int](t, 10)
	require.NoError(t, a.Push(bounded(t), 1))
	require.NoError(t, a.Push(bounded(t), 2))
	require.NoError(t, b.Close())
	require.ErrorIs(t, a.Close(), ring.ErrClosed)
	require.ErrorIs(t, a.Push(bounded(t), 3), ring.ErrClosed)
	_, err := b.TryPush(3)
	require.ErrorIs(t, err, ring.ErrClosed)
	var got []int
	for v, err := range a.All(bounded(t)) {
		require.NoError(t, err)
		got = append(got, v)
	}
	require.Equal(t, []int{1, 2}, got)
	_, err = b.Pop(bounded(t))
	require.ErrorIs(t, err, ring.ErrClosed)
	_, _, err = b.TryPop()
	require.ErrorIs(t, err, ring.ErrClosed)
}

func TestMPMCCloseWakesThoseWhoWait(t *testing.T) {
	full, empty := crossing[int](t, 1)
	require.NoError(t, full.Push(over(), 1))
	pushed := make(chan error)
	go func() { pushed <- full.Push(bounded(t), 2) }()
	require.Eventually(t, func() bool { return ring.Sleepers(full) > 0 }, bound, tick)
	require.NoError(t, empty.Close())
	require.ErrorIs(t, <-pushed, ring.ErrClosed)

	_, other := crossing[int](t, 1)
	popped := make(chan error)
	go func() { _, err := other.Pop(bounded(t)); popped <- err }()
	require.Eventually(t, func() bool { return ring.Sleepers(other) > 0 }, bound, tick)
	require.NoError(t, other.Close())
	require.ErrorIs(t, <-popped, ring.ErrClosed)
}

func TestMPMCClosedSegment(t *testing.T) {
	s, other := twins(t)
	a, err := ring.NewMPMC[int](s, 10)
	require.NoError(t, err)
	b, err := ring.MPMCFrom[int](other, a.Ref())
	require.NoError(t, err)
	require.NoError(t, b.Push(bounded(t), 1))
	_, err = b.Pop(bounded(t))
	require.NoError(t, err)
	popped := make(chan error)
	go func() { _, err := b.Pop(bounded(t)); popped <- err }()
	require.Eventually(t, func() bool { return ring.Sleepers(b) > 0 }, bound, tick)
	require.NoError(t, other.Close())
	require.ErrorIs(t, <-popped, ring.ErrClosed)
	require.ErrorIs(t, b.Push(bounded(t), 1), ring.ErrClosed)
	_, err = b.TryPush(1)
	require.ErrorIs(t, err, ring.ErrClosed)
	_, _, err = b.TryPop()
	require.ErrorIs(t, err, ring.ErrClosed)
	require.ErrorIs(t, b.Close(), ring.ErrClosed)
	require.NoError(t, a.Push(bounded(t), 1))
	v, err := a.Pop(bounded(t))
	require.NoError(t, err)
	require.Equal(t, 1, v)
	require.Zero(t, a.Lost())
}

func TestMPMCIsFoundByNameAndRef(t *testing.T) {
	s, other := twins(t)
	m, err := ring.NewMPMC[uint64](s, 5, shm.Named("jobs"))
	require.NoError(t, err)
	_, err = ring.NewMPMC[uint64](s, 5, shm.Named("jobs"))
	require.ErrorIs(t, err, shm.ErrExist)
	same, err := ring.OpenMPMC[uint64](other, "jobs")
	require.NoError(t, err)
	require.Equal(t, m.Ref(), same.Ref())
	_, err = ring.OpenMPMC[uint32](other, "jobs")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = ring.OpenSPSC[uint64](other, "jobs")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = ring.OpenMPMC[uint64](other, "none")
	require.ErrorIs(t, err, shm.ErrNotExist)
	for _, capacity := range []int{0, -1, math.MaxInt} {
		_, err = ring.NewMPMC[uint64](s, capacity)
		require.ErrorIs(t, err, ring.ErrCapacity)
	}
	_, err = ring.NewMPMC[*int](s, 5)
	require.Error(t, err)
	_, err = ring.NewMPMC[[1 << 16]byte](s, 100)
	require.ErrorIs(t, err, shm.ErrNoSpace)
}

// mark is a value that says who pushed it, and the how manieth of his it is.
type mark struct {
	By     uint32
	Number uint32
}

// orderly is who has seen values of several producers, and fails if those of one are out of order.
type orderly struct {
	mu   sync.Mutex
	seen map[mark]int
}

func (o *orderly) note(t *testing.T, all []mark) {
	last := map[uint32]uint32{}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, v := range all {
		if v.Number <= last[v.By] {
			t.Errorf("value %d of producer %d behind %d", v.Number, v.By, last[v.By])
		}
		last[v.By] = v.Number
		o.seen[v]++
	}
}

func TestMPMCManyGoroutinesOnBothSides(t *testing.T) {
	const producers, consumers, each = 6, 6, 4000
	ctx := bounded(t)
	for _, capacity := range []int{1, 3, 64, 1000} {
		a, b := crossing[mark](t, capacity)
		o := orderly{seen: map[mark]int{}}
		var pushing, popping sync.WaitGroup
		for p := range producers {
			pushing.Go(func() {
				m := []*ring.MPMC[mark]{a, b}[p%2]
				for i := 1; i <= each; {
					if i%5 == 0 {
						batch := []mark{}
						for k := i; k < min(i+9, each+1); k++ {
							batch = append(batch, mark{uint32(p), uint32(k)})
						}
						n, err := m.PushN(ctx, batch)
						if err != nil || n != len(batch) {
							t.Error(n, err)
							return
						}
						i += n
						continue
					}
					if err := m.Push(ctx, mark{uint32(p), uint32(i)}); err != nil {
						t.Error(err)
						return
					}
					i++
				}
			})
		}
		for c := range consumers {
			popping.Go(func() {
				m := []*ring.MPMC[mark]{a, b}[c%2]
				var got []mark
				if c%3 == 0 {
					batch := make([]mark, 20)
					for {
						n, err := m.PopN(ctx, batch)
						got = append(got, batch[:n]...)
						if err != nil {
							if !errors.Is(err, ring.ErrClosed) {
								t.Error(err)
							}
							break
						}
					}
				} else {
					for v, err := range m.All(ctx) {
						if err != nil {
							t.Error(err)
							return
						}
						got = append(got, v)
					}
				}
				o.note(t, got)
			})
		}
		pushing.Wait()
		require.NoError(t, a.Close())
		popping.Wait()
		require.Len(t, o.seen, producers*each)
		for v, n := range o.seen {
			require.Equal(t, 1, n, "%+v", v)
		}
		require.Zero(t, a.Lost())
	}
}

func TestMPMCOperationsAllocateNothing(t *testing.T) {
	a, b := crossing[uint64](t, 64)
	ctx := bounded(t)
	batch := make([]uint64, 16)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if a.Push(ctx, 1) != nil {
			t.FailNow()
		}
		if _, err := b.Pop(ctx); err != nil {
			t.FailNow()
		}
		_, _ = a.TryPush(2)
		_, _, _ = b.TryPop()
		_, _, _ = b.TryPop()
		_, _ = b.PushN(ctx, batch)
		_, _ = a.PopN(ctx, batch)
	}))
	runtime.KeepAlive(a)
}

// Nor do those that do not go at once: the values are in turn in two lanes, and room is in another.
func TestMPMCOperationsOffTheBeatenTrackAllocateNothing(t *testing.T) {
	for _, capacity := range []int{3, 100} {
		a, b := crossing[uint64](t, capacity)
		ctx := bounded(t)
		require.Zero(t, testing.AllocsPerRun(10, func() {
			for range 200 {
				for _, m := range []*ring.MPMC[uint64]{a, b} {
					if m.Push(ctx, 1) != nil {
						t.FailNow()
					}
					if _, err := b.Pop(ctx); err != nil {
						t.FailNow()
					}
				}
			}
		}))
	}
}

func BenchmarkMPMCPushPop(b *testing.B) {
	m, _ := crossing[uint64](b, 64)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if m.Push(ctx, 1) != nil {
			b.FailNow()
		}
		if _, err := m.Pop(ctx); err != nil {
			b.FailNow()
		}
	}
}

const (
	bound = time.Minute
	tick  = time.Millisecond
)

// What is there comes before the end of a context, whoever has the bias of the lane.
func TestMPMCTakesWhatIsThereThoughTheContextIsOver(t *testing.T) {
	a, b := crossing[int](t, 64)
	biased := func(m *ring.MPMC[int]) {
		for i := range 200 {
			require.NoError(t, m.Push(t.Context(), i))
			v, err := m.Pop(t.Context())
			require.NoError(t, err)
			require.Equal(t, i, v)
		}
	}
	vs := make([]int, 1)
	for range 50 {
		for _, who := range []*ring.MPMC[int]{b, a} { // whose own bias is in the way
			biased(a)
			n, err := a.PushN(over(), []int{2, 3})
			require.NoError(t, err)
			require.Equal(t, 2, n)
			n, err = who.PopN(over(), vs)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			v, err := b.Pop(over())
			require.NoError(t, err)
			require.Equal(t, 3, v)
		}
	}
	_, err := a.PopN(over(), vs)
	require.ErrorIs(t, err, context.Canceled)
}
