//go:build interleave && (linux || darwin)

package interleave_test

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/internal/word"
)

// outcomes searches a scenario of two processes that each return a number, and lists the pairs that
// they come to. Nothing is printed: what comes out is collected beside the search.
func outcomes(t *testing.T, s interleave.Scenario, first, second func(p *interleave.Process, w []word.Uint64) uint64) []string {
	t.Helper()
	var found []string
	s.Setup = func(w *interleave.World) {
		a, b := w.Process("a"), w.Process("b")
		words := a.Words(2 * 16) // on lines of their own
		w.Ghost = make([]uint64, 2)
		a.Run(func() { w.Ghost[0] = first(a, words) })
		b.Run(func() { w.Ghost[1] = second(b, words) })
		w.Finally(func(*interleave.Process) {
			pair := fmt.Sprint(w.Ghost[0], w.Ghost[1])
			if !slices.Contains(found, pair) {
				found = append(found, pair)
			}
		})
	}
	result, err := interleave.Search(s, 1<<16)
	require.NoError(t, err)
	require.Nil(t, result.Failure)
	require.True(t, result.Complete)
	slices.Sort(found)
	return found
}

// The litmus tests of the memory model: what two processors with store buffers may see, and what not.
func TestStoresAreSeenAsAProcessorShowsThem(t *testing.T) {
	const y = 16
	storeLoad := func(mine, theirs int) func(*interleave.Process, []word.Uint64) uint64 {
		return func(_ *interleave.Process, w []word.Uint64) uint64 {
			futex.Publish(&w[mine], 1)
			return w[theirs].Load()
		}
	}
	fenced := func(mine, theirs int) func(*interleave.Process, []word.Uint64) uint64 {
		return func(_ *interleave.Process, w []word.Uint64) uint64 {
			w[mine].Store(1)
			return w[theirs].Load()
		}
	}
	none := interleave.Scenario{}
	buffers := interleave.Scenario{Buffers: 2}
	require.Equal(t, []string{"0 1", "1 0", "1 1"}, outcomes(t, none, storeLoad(0, y), storeLoad(y, 0)))
	require.Equal(t, []string{"0 0", "0 1", "1 0", "1 1"}, outcomes(t, buffers, storeLoad(0, y), storeLoad(y, 0)))
	require.Equal(t, []string{"0 1", "1 0", "1 1"}, outcomes(t, buffers, fenced(0, y), fenced(y, 0)))
	require.Equal(t, []string{"0 0", "0 1", "1 0", "1 1"}, outcomes(t, buffers, fenced(0, y), storeLoad(y, 0)),
		"one fence of two is none")

	// Stores of one process arrive in their order, and it sees its own at once.
	writer := func(_ *interleave.Process, w []word.Uint64) uint64 {
		futex.Publish(&w[0], 1)
		futex.Publish(&w[y], 1)
		return w[0].Load()*2 + w[y].Load()
	}
	reader := func(_ *interleave.Process, w []word.Uint64) uint64 {
		second := w[y].Load()
		return second*2 + w[0].Load()
	}
	require.Equal(t, []string{"3 0", "3 1", "3 3"}, outcomes(t, buffers, writer, reader))

	// Membarrier fences the others: with it, one of the two sees the other.
	asymmetric := func(_ *interleave.Process, w []word.Uint64) uint64 {
		futex.Publish(&w[y], 1)
		futex.Barrier()
		return w[0].Load()
	}
	require.Equal(t, []string{"0 1", "1 0", "1 1"}, outcomes(t, buffers, storeLoad(0, y), asymmetric))
	buffers.Lose = interleave.NoBarrier
	require.Contains(t, outcomes(t, buffers, storeLoad(0, y), asymmetric), "0 0")
}

// The number of orders of two threads of n steps each is known, and so is that of the states.
func TestSearchVisitsEveryOrder(t *testing.T) {
	const n = 4
	visited := make(map[uint64]bool)
	s := interleave.Scenario{Setup: func(w *interleave.World) {
		a, b := w.Process("a"), w.Process("b")
		words := a.Words(1)
		for i, p := range []*interleave.Process{a, b} {
			p.Run(func() {
				for range n {
					p.Saw(words[0].Add(1)<<1 | uint64(i)) // who was when: no two orders are alike
					w.Ghost[0] = w.Ghost[0]<<1 | uint64(i)
				}
			})
		}
		w.Ghost = []uint64{1}
		w.Finally(func(*interleave.Process) { visited[w.Ghost[0]] = true })
	}}
	result, err := interleave.Search(s, 1<<16)
	require.NoError(t, err)
	require.Nil(t, result.Failure)
	require.True(t, result.Complete)
	require.Len(t, visited, 70, "8 over 4")
	for order := range visited {
		require.Equal(t, n+1, bits.OnesCount64(order))
	}
	result, err = interleave.Search(s, 10)
	require.NoError(t, err)
	require.False(t, result.Complete)
}

// A race of plain accesses with the words that should protect them needs Fine to be seen.
func TestFineSeesWhatComesBehindAPublish(t *testing.T) {
	racy := func(fine bool) interleave.Result {
		result, err := interleave.Search(interleave.Scenario{Fine: fine, Setup: func(w *interleave.World) {
			a, b := w.Process("a"), w.Process("b")
			words := a.Words(32)
			payload := new(int)
			a.Run(func() {
				words[0].Store(1)
				*payload = 1 // too late
			})
			b.Run(func() {
				if words[0].Load() == 1 {
					b.Check(*payload == 1, "read too early")
				}
			})
		}}, 1000)
		require.NoError(t, err)
		return result
	}
	require.Nil(t, racy(false).Failure)
	require.ErrorContains(t, racy(true).Failure, "b: read too early")
}

// A failure found at random comes again with its seed, and with its choices.
func TestFailureIsRepeated(t *testing.T) {
	s := interleave.Scenario{Deaths: 1, Setup: func(w *interleave.World) {
		a, b := w.Process("a"), w.Process("b")
		words := a.Words(1)
		a.Mortal = true
		a.Run(func() {
			words[0].Store(1)
			words[0].Store(0)
		})
		b.Run(func() { words[0].Load() })
		w.Finally(func(p *interleave.Process) { p.Check(words[0].Load() == 0, "left behind") })
	}}
	result, err := interleave.Sample(s, 1, 1000)
	require.NoError(t, err)
	require.NotNil(t, result.Failure)
	require.Contains(t, result.Failure.Trace, "is killed")
	var seed uint64
	_, err = fmt.Sscanf(result.Failure.Err.Error(), "seed %d:", &seed)
	require.NoError(t, err)
	once, err := interleave.Sample(s, seed, 1)
	require.NoError(t, err)
	require.NotNil(t, once.Failure)
	require.Equal(t, result.Failure.Choices, once.Failure.Choices)
	require.Equal(t, result.Failure.Trace, once.Failure.Trace)

	all, err := interleave.Search(s, 1000)
	require.NoError(t, err)
	require.ErrorContains(t, all.Failure, "auditor: left behind")
}
