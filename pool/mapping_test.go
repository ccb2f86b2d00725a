package pool

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var measuredTask = Task("pool/measured", func(_ context.Context, n int) (int, error) { return n, nil })

// taken are the lengths of the batches of n inputs that a Map hands out which has measured nothing yet.
func taken(p *Pool, chunk, n int) (batches []int) {
	m := newMapping(context.Background(), measuredTask, p, chunk, true)
	m.grow(uint64(n))
	for i := range n {
		m.push(i)
	}
	m.closed = true
	for b := m.take(n, false); b != nil; b = m.take(n, false) {
		batches = append(batches, b.n)
	}
	return batches
}

func TestMapBeginsWithWhatTheOneBeforeMeasured(t *testing.T) {
	p, err := New(t.Context(), Local(), Workers(4))
	require.NoError(t, err)
	defer p.Close()
	before := newMapping(t.Context(), measuredTask, p, 0, true)
	require.Equal(t, []int{1, 1, 1}, taken(p, 0, 3), "nothing is known")

	before.measured(50 * time.Nanosecond)
	all := taken(p, 0, 10_000)
	require.Equal(t, mostUnmeasured, all[0])
	require.Equal(t, []int{3, 2, 2, 1, 1, 1}, taken(p, 0, 10), "others have their share")
	require.Equal(t, []int{1, 1, 1}, taken(p, 0, 3))
	require.Equal(t, 252, taken(p, 7, 10_000)[0], "whole chunks")

	before.measured(time.Second)
	require.Equal(t, []int{1, 1, 1}, taken(p, 0, 3), "calls are long now")
}
