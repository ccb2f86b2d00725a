package queue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// lengthy is a message with a box.
var lengthy = strings.Repeat("long", 100)

func TestADestroyedQueueTakesItsMessagesAlong(t *testing.T) {
	for name, opts := range map[string][]shm.ObjectOption{
		"plain": nil, "joinable": {queue.Joinable()}, "leases": {queue.Leases()},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			seg := anonymous(t)
			before := seg.Stats().Blocks
			q, err := queue.New[string](seg, 4, opts...)
			require.NoError(t, err)
			for range 4 {
				require.NoError(t, q.Put(ctx, lengthy))
			}
			if name == "leases" {
				for range 2 {
					_, err := q.Lease(ctx)
					require.NoError(t, err)
					require.NoError(t, q.Put(ctx, lengthy))
				}
			} else {
				_, err := q.Get(ctx)
				require.NoError(t, err)
			}
			require.NoError(t, seg.Destroy(q.Ref()))
			requireBlocks(t, seg, before)
		})
	}
}

// What a process had that nobody else has goes with it.
func TestAPipeOfADeadProcessTakesItsMessagesAlong(t *testing.T) {
	ctx := bounded(t)
	seg := anonymous(t)
	before := seg.Stats().Blocks
	far := proctest.Attach(t, seg)
	a, _, err := queue.NewPipe[string, string](far, 4)
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, lengthy))
	require.NoError(t, far.Close())
	requireBlocks(t, seg, before)
}
