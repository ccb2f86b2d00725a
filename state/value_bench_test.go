package state_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/state"
)

func BenchmarkValueUpdate(b *testing.B) {
	v, err := state.NewValue(anonymous(b), uint64(0))
	require.NoError(b, err)
	add := func(x *uint64) error { *x += 3; return nil }
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Update(ctx, add); err != nil {
			b.Fatal(err)
		}
	}
}
