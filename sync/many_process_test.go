package sync_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// doors is a stage with many locks.
type doors struct {
	Stage stage
	Locks []shm.Ref
}

// janitor holds them all, until it is killed.
var janitor = proc.Func("janitor", func(ctx context.Context, d doors) error {
	p, err := d.Stage.reach(proc.Segments(ctx)[0])
	if err != nil {
		return err
	}
	for _, ref := range d.Locks {
		m, err := sync.MutexFrom(p.seg, ref)
		if err != nil {
			return err
		}
		if err := m.Lock(ctx); err != nil {
			return err
		}
	}
	if err := p.ready.Release(1); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
})

// Most of those who wait are folded into one thread: all of them hear of the death.
func TestAllLocksOfAKilledHolderAreRecovered(t *testing.T) {
	const n = 500
	ctx := bounded(t)
	s, p := newStage(t)
	d := doors{Stage: s}
	locks := make([]*sync.Mutex, n)
	for i := range locks {
		var err error
		locks[i], err = sync.NewMutex(p.seg)
		require.NoError(t, err)
		d.Locks = append(d.Locks, locks[i].Ref())
	}
	child, err := janitor.Start(ctx, d, proc.Share(p.seg))
	require.NoError(t, err)
	defer func() { require.NoError(t, child.Close()) }()
	require.NoError(t, p.ready.Acquire(ctx, 1))
	results := make(chan error, n)
	for _, m := range locks {
		go func() { results <- m.Lock(ctx) }()
	}
	for _, m := range locks {
		asleep(t, m)
	}
	kill(t, child)
	began := time.Now()
	for range locks {
		require.ErrorIs(t, <-results, sync.ErrOwnerDied)
	}
	t.Logf("%d locks, %v after the holder was reaped", n, time.Since(began))
}
