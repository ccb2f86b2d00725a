package queue

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
)

// Whatever contradicts itself is an error of who gets, who would wait for ever.
func TestGetSaysThatHeadAndTailContradictEachOther(t *testing.T) {
	for name, spoil := range map[string]func(q *queue){
		"a head beyond the tail":        func(q *queue) { q.state.head.Store(9) },
		"a head far before it":          func(q *queue) { q.state.head.Store(1<<64 - 9) },
		"a tail far beyond the head":    func(q *queue) { q.state.tail.Store(99) },
		"a tail before the head":        func(q *queue) { q.state.tail.Store(0); q.sequence(0).Store(77) },
		"a message that is not there":   func(q *queue) { q.state.tail.Store(2) },
		"a head beyond, while it waits": nil,
	} {
		for _, opts := range [][]shm.ObjectOption{nil, {Joinable()}, {Leases()}} {
			t.Run(name, func(t *testing.T) {
				ctx := proctest.Bounded(t)
				q, err := New[uint64](proctest.Anonymous(t), 4, opts...)
				require.NoError(t, err)
				require.NoError(t, q.Put(ctx, 1))
				_, err = q.Get(ctx)
				require.NoError(t, err)
				if spoil == nil {
					go func() {
						for q.items.Event().Idle() && ctx.Err() == nil {
							runtime.Gosched()
						}
						q.state.head.Store(9)
					}()
				} else {
					spoil(q.queue)
					_, _, err = q.TryGet()
					require.ErrorIs(t, err, ErrCorrupt)
				}
				_, err = q.Get(ctx)
				require.ErrorIs(t, err, ErrCorrupt)
			})
		}
	}
	q, err := New[string](proctest.Anonymous(t), 4)
	require.NoError(t, err)
	_, err = q.Get(proctest.Over())
	require.ErrorIs(t, err, context.Canceled)
}

// A slot of plain memory has no place for what a bound counts.
func TestAQueueOfPlainMemoryHasNoBound(t *testing.T) {
	seg := proctest.Anonymous(t)
	q, err := New[uint64](seg, 4, shm.Named("plain"))
	require.NoError(t, err)
	q.state.bound = 1 << 40
	_, err = Open[uint64](seg, "plain")
	require.ErrorIs(t, err, ErrCorrupt)
}
