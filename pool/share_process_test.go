package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// span is some numbers of an array, which stay where they are.
type span struct {
	Of       *state.Array[int64]
	From, To int
}

var negate = pool.Task("negate", func(_ context.Context, s span) (sum int64, err error) {
	for i := s.From; i < s.To && err == nil; i++ {
		err = s.Of.Update(context.Background(), i, func(n *int64) error {
			*n = -*n
			sum += *n
			return nil
		})
	}
	return sum, err
})

var sizeOf = pool.Task("sizeOf", func(ctx context.Context, ref shm.Ref) (int, error) {
	seg, err := proc.Segment(ctx, ref)
	if err != nil {
		return 0, err
	}
	a, err := state.ArrayFrom[int64](seg, ref)
	if err != nil {
		return 0, err
	}
	return a.Len(), nil
})

func TestTasksWorkOnWhatTheyShareWithoutACopy(t *testing.T) {
	const n = 100
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for name, opts := range map[string][]pool.Option{"processes": {pool.Process(proc.Share(seg))}, "goroutines": {pool.Local()}} {
		t.Run(name, func(t *testing.T) {
			a, err := state.NewArray[int64](seg, n)
			require.NoError(t, err)
			for i := range n {
				require.NoError(t, a.Store(i, 1))
			}
			ctx, p := testContext(t), newPool(t, 2, opts...)
			halves := func(yield func(span) bool) { _ = yield(span{a, 0, n / 2}) && yield(span{a, n / 2, n}) }
			for sum, err := range negate.Map(ctx, p, halves) {
				require.NoError(t, err)
				require.EqualValues(t, -n/2, sum)
			}
			for i := range n {
				got, err := a.Load(i)
				require.NoError(t, err)
				require.EqualValues(t, -1, got)
			}
			if name == "processes" {
				size, err := sizeOf.Call(ctx, p, a.Ref())
				require.NoError(t, err)
				require.Equal(t, n, size)
			}
		})
	}
}
