package futex_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// table is what two processes play on: a ball that is on either side, and where each side sleeps.
type table struct {
	ball   atomic.Uint64 // even: the parent's turn; odd: the child's
	parent futex.Event
	child  futex.Event
}

const volleys = 2000

// await sleeps until the ball lies on the caller's side, without a deadline: a wake-up that is lost
// is one for good.
func (t *table) await(mine *futex.Event, side uint64) {
	var s futex.Sleeper
	for t.ball.Load()%2 != side {
		seq := mine.Announce()
		if t.ball.Load()%2 == side {
			return
		}
		s.Sleep(mine.Word(), seq, -1)
	}
}

func tableIn(seg *shm.Segment, ref shm.Ref) (*table, error) {
	o, err := seg.Engine().Resolve(ref, segment.KindRaw, 0)
	if err != nil {
		return nil, err
	}
	return (*table)(o.Pointer()), nil
}

var play = proc.Func("futex/play", func(ctx context.Context, ref shm.Ref) error {
	seg, err := proc.Segment(ctx, ref)
	if err != nil {
		return err
	}
	t, err := tableIn(seg, ref)
	if err != nil {
		return err
	}
	for range volleys {
		t.await(&t.child, 1)
		t.ball.Add(1)
		t.parent.Signal()
	}
	return nil
})

func TestEventLosesNoWakeUpBetweenProcesses(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seg, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: uint64(unsafe.Sizeof(table{}))})
	require.NoError(t, err)
	game, err := tableIn(seg, o.Ref())
	require.NoError(t, err)
	child, err := play.Start(ctx, o.Ref(), proc.Share(seg))
	require.NoError(t, err)
	defer func() { require.NoError(t, child.Close()) }()

	done := make(chan struct{})
	go func() {
		defer close(done)
		for range volleys {
			game.await(&game.parent, 0)
			game.ball.Add(1)
			game.child.Signal()
		}
	}()
	require.NoError(t, child.Wait(ctx))
	<-done
	require.EqualValues(t, 2*volleys, game.ball.Load())
}
