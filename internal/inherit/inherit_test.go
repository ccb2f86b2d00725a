package inherit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/inherit"
	"github.com/kindred-ipc/kindred/shm"
)

func TestWithoutLeavesTheContextThatItIsMadeOfAlone(t *testing.T) {
	var all []*shm.Segment
	for range 3 {
		s, err := shm.Anonymous(64 << 10)
		require.NoError(t, err)
		defer s.Close()
		all = append(all, s)
	}
	ctx := inherit.With(context.Background(), inherit.Given{Segments: all})
	less := inherit.Without(ctx, all[0])
	require.Equal(t, all[1:], inherit.From(less).Segments)
	require.Equal(t, all, inherit.From(ctx).Segments)
	require.Equal(t, inherit.From(less), inherit.From(inherit.Without(less, all[0])), "which it does not have")
	require.Zero(t, inherit.From(context.Background()))
}
