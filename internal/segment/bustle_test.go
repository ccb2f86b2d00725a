package segment

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
)

func TestAWaitIsInABustleIfAnotherOneComesBetween(t *testing.T) {
	var b bustle
	var stir atomic.Uint64
	for range 20 {
		stir.Add(wholeWait)
		require.False(t, b.came(&stir), "it alone waits")
	}
	in := false
	for range 20 {
		stir.Add(2 * wholeWait)
		in = b.came(&stir)
	}
	require.True(t, in)
	require.True(t, b.in())
	for range 20 {
		stir.Add(wholeWait)
		in = b.came(&stir)
	}
	require.False(t, in)
	stir.Add(1 << 40)
	b.came(&stir)
	for range 5 {
		in = b.came(&stir)
	}
	require.False(t, in, "one long pause says little")
}

func TestAWaitThatPollingEndsTakesItsShareOfTwoProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for processors, want := range map[int]uint64{1: wholeWait, 2: wholeWait, 4: wholeWait / 2, 64: 0} {
		runtime.GOMAXPROCS(processors)
		require.Equal(t, want, weight(true), "%d processors", processors)
		require.EqualValues(t, wholeWait, weight(false))
	}
}

func TestSignallersAreToFenceWhereWaitsAreFoldedOften(t *testing.T) {
	var b bustle
	var e futex.Event
	for range demandAfter - 1 {
		require.False(t, b.fenced(&e))
		require.False(t, e.Fenced())
	}
	require.False(t, b.fenced(&e), "a store may be on its way")
	require.True(t, e.Fenced())
	b.demanded.Add(-int64(demandSettles))
	require.True(t, b.fenced(&e))
}

// Each of many answers the other, at events of their own: all of them go on, folded or not, with a barrier or with fences.
func TestNoWakeIsLostInABustle(t *testing.T) {
	const pairs, rounds = 12, 400
	s, offs := fields(t, 2*pairs)
	other := again(t, s, Config{})
	words := make([]atomic.Uint64, 2*pairs)
	before := s.stir.Load()
	var wg sync.WaitGroup
	for i := range pairs {
		for side, attach := range []*Segment{s, other} {
			mine, theirs := attach.Point(offs[2*i+side], Shared), attach.Point(offs[2*i+1-side], Shared)
			in, out := &words[2*i+side], &words[2*i+1-side]
			wg.Go(func() {
				for n := uint64(1); n <= rounds; n++ {
					if side == 0 {
						out.Store(n)
						theirs.Broadcast()
					}
					err := mine.Wait(bounded(t), Wait{Try: func() bool { return in.Load() >= n }, Asymmetric: futex.Owing, OneOfMany: true})
					if err != nil {
						t.Error(err)
						return
					}
					if side == 1 {
						out.Store(n)
						theirs.Broadcast()
					}
				}
			})
		}
	}
	wg.Wait()
	require.Greater(t, s.stir.Load(), before)
	for _, off := range offs {
		require.Zero(t, s.Point(off, Shared).folded.Load())
		require.Zero(t, other.Point(off, Shared).folded.Load())
	}
}
