package ring_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// task is what a process of a test does with a ring.
type task struct {
	Ring   shm.Ref // SPSC[uint64] or Bytes, as the function says
	Answer shm.Ref // SPSC[uint64], where there is one
	From   uint64
	N      uint64
	Policy ring.Policy
	OneCPU bool // confine the process to CPU 0
	Pauses bool // at random moments, for random times
	Runs   bool // in batches and runs of slots of all sizes, instead of one by one
}

// open finds the task's ring in the child.
func (k task) open(ctx context.Context, ref shm.Ref) (*ring.SPSC[uint64], error) {
	seg, err := proc.Segment(ctx, ref)
	if err != nil {
		return nil, err
	}
	return ring.SPSCFrom[uint64](seg, ref)
}

func (k task) openBytes(ctx context.Context) (*ring.Bytes, error) {
	seg, err := proc.Segment(ctx, k.Ring)
	if err != nil {
		return nil, err
	}
	return ring.BytesFrom(seg, k.Ring)
}

// child registers what a process does.
func child(name string, run func(ctx context.Context, k task) error) *proc.Function[task] {
	return proc.Func(name, func(ctx context.Context, k task) error {
		if k.OneCPU {
			if err := confine(); err != nil {
				return err
			}
		}
		return run(ctx, k)
	})
}

var (
	start = proctest.Start[task]
	kill  = proctest.Kill
)

// segmentOf makes a segment that is closed after the test.
func segmentOf(t *testing.T) *shm.Segment {
	t.Helper()
	seg, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	return seg
}
