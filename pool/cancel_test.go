package pool

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// newState is a worker's state, alone in a segment.
func newState(t *testing.T) segment.Object {
	seg, err := shm.Anonymous(segmentBytes)
	require.NoError(t, err)
	t.Cleanup(func() { seg.Close() })
	o, err := seg.Engine().New(segment.Spec{
		Kind: segment.KindRaw, Layout: workerLayout(), Size: workerStateSize, Align: segment.Line})
	require.NoError(t, err)
	return o
}

// The cancellation comes while the task asks for the first time, at all points of that.
func TestCancelThatComesWhenTheTaskFirstAsksIsNotMissed(t *testing.T) {
	o := newState(t)
	for id := uint64(1); id <= 1000; id++ {
		base, stop := context.WithCancel(context.Background())
		c := newCancels(base, o)
		task := (&contexts{cancels: c}).of(id, 0)
		go func() {
			c.state.cancelled.Store(id)
			c.point.Broadcast()
		}()
		select {
		case <-task.Done():
		case <-time.After(time.Minute):
			require.FailNow(t, "missed", "at the %d. time", id)
		}
		require.Equal(t, context.Canceled, task.Err())
		c.end(task)
		stop()
	}
}

func TestCancelOfOneTaskLeavesTheNextAlone(t *testing.T) {
	base, stop := context.WithCancel(context.Background())
	defer stop()
	c := newCancels(base, newState(t))
	first := (&contexts{cancels: c}).of(1, 0)
	require.NoError(t, first.Err())
	c.state.cancelled.Store(1)
	c.point.Broadcast()
	<-first.Done()
	c.end(first)
	second := (&contexts{cancels: c}).of(2, 0)
	require.NoError(t, second.Err())
	c.end(second)
	require.Equal(t, context.Canceled, second.Err(), "a task's context ends with it")
}

func TestContextOfATaskIsOverWhenItHasReturned(t *testing.T) {
	c := newCancels(context.Background(), newState(t))
	task := (&contexts{cancels: c}).of(1, 0)
	c.end(task)
	<-task.Done()
	require.Equal(t, context.Canceled, task.Err())
}

func TestContextThatWasAskedIsNeverThatOfAnotherCall(t *testing.T) {
	c := contexts{cancels: newCancels(context.Background(), newState(t))}
	asked := c.of(1, 0)
	require.NoError(t, asked.Err())
	c.endOf(asked)
	late := c.of(2, 0)
	c.endOf(late)
	require.Equal(t, context.Canceled, late.Err(), "it is over when its task has returned, whoever asks first")
	silent := c.of(3, 0)
	c.endOf(silent)
	for id := uint64(4); id <= contextsKept+3; id++ {
		other := c.of(id, 0)
		switch id {
		case contextsKept + 1:
			require.NotSame(t, asked, other)
			require.NoError(t, other.Err())
		case contextsKept + 3:
			require.Same(t, silent, other)
			require.NoError(t, silent.Err())
		}
		c.endOf(other)
	}
	require.Equal(t, context.Canceled, asked.Err())
	require.Equal(t, context.Canceled, late.Err())
	require.Equal(t, context.Canceled, silent.Err())
}

// Without a fence, who asks as the task returns may see that it has not, and not be seen.
func TestContextThatIsAskedAsItsTaskReturnsIsOverInTheEnd(t *testing.T) {
	c := contexts{cancels: newCancels(context.Background(), newState(t))}
	task := c.of(1, 0)
	require.NoError(t, task.Err())
	c.ended.Store(1)
	require.NoError(t, task.Err(), "it was missed")
	c.settle(2)
	require.Equal(t, context.Canceled, task.Err())
	c.settle(2)
}
