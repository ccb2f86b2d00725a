package queue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// crate has a handle of everything that there is.
type crate struct {
	Label     string
	Mutex     *sync.Mutex
	RMutex    *sync.RMutex
	RWMutex   *sync.RWMutex
	Semaphore *sync.Semaphore
	Cond      *sync.Cond
	Event     *sync.Event
	Barrier   *sync.Barrier
	WaitGroup *sync.WaitGroup
	Once      *sync.Once
	SPSC      *ring.SPSC[uint32]
	Bytes     *ring.Bytes
	MPMC      *ring.MPMC[uint32]
	Broadcast *ring.Broadcast[uint32]
	Value     *state.Value[int]
	Array     *state.Array[int]
	List      *state.List[string]
	Map       *state.Map[string, any]
	Set       *state.Set[string]
	Queue     *queue.Queue[*sync.Event]
	Pipe      *queue.Pipe[string, int]
	End       *queue.Pipe[int, string]
	Ref       shm.Ref
	More      []any
}

// must is v, or the end of the test.
func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

func fullCrate(seg *shm.Segment) crate {
	c := crate{
		Label: "all", Mutex: must(sync.NewMutex(seg)), RMutex: must(sync.NewRMutex(seg)), RWMutex: must(sync.NewRWMutex(seg)),
		Semaphore: must(sync.NewSemaphore(seg, 0)), Cond: must(sync.NewCond(seg)), Event: must(sync.NewEvent(seg)),
		Barrier: must(sync.NewBarrier(seg, 2)), WaitGroup: must(sync.NewWaitGroup(seg)), Once: must(sync.NewOnce(seg)),
		SPSC: must(ring.NewSPSC[uint32](seg, 4)), Bytes: must(ring.NewBytes(seg, 4096)), MPMC: must(ring.NewMPMC[uint32](seg, 4)),
		Broadcast: must(ring.NewBroadcast[uint32](seg, 4)), Value: must(state.NewValue(seg, 1)), Array: must(state.NewArray[int](seg, 3)),
		List: must(state.NewList[string](seg)), Map: must(state.NewMap[string, any](seg)), Set: must(state.NewSet[string](seg)),
		Queue: must(queue.New[*sync.Event](seg, 2)),
	}
	c.Pipe, c.End, _ = queue.NewPipe[string, int](seg, 2)
	c.Ref = c.Mutex.Ref()
	c.More = []any{42, nil, "x", c.Mutex, map[string]any{"event": c.Event}}
	return c
}

// unpacker gets a crate from a queue that came in its arguments, and uses what is in it.
var unpacker = proc.Func("queue_test.unpacker", func(ctx context.Context, q *queue.Queue[crate]) error {
	c, err := q.Get(ctx)
	if err != nil {
		return err
	}
	if err := c.Mutex.Lock(ctx); err != nil {
		return err
	}
	if ok, err := c.More[3].(*sync.Mutex).TryLock(); ok || err != nil {
		return fmt.Errorf("two mutexes: %v", err)
	}
	if err := c.Value.Store(7); err != nil {
		return err
	}
	if err := c.Array.Store(2, 8); err != nil {
		return err
	}
	if err := c.Map.Set("event", c.Event); err != nil {
		return err
	}
	if err := c.List.Append(c.Label); err != nil {
		return err
	}
	if _, err := c.Set.Add("set"); err != nil {
		return err
	}
	if err := c.Semaphore.Release(1); err != nil {
		return err
	}
	if err := c.Queue.Put(ctx, c.More[4].(map[string]any)["event"].(*sync.Event)); err != nil {
		return err
	}
	if ok, err := c.Pipe.TrySend("sent by another handle"); !ok {
		return fmt.Errorf("to a pipe: %w", err)
	}
	if err := c.Mutex.Unlock(); err != nil {
		return err
	}
	return c.Event.Set()
})

func TestAnyObjectArrivesAsAWorkingHandle(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[crate](seg, 2)
	require.NoError(t, err)
	c := fullCrate(seg)
	p, err := unpacker.Start(ctx, q, proc.Share(seg))
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, c))
	require.NoError(t, p.Wait(ctx))

	require.NoError(t, c.Event.Wait(ctx))
	require.Equal(t, 7, must(c.Value.Load()))
	require.Equal(t, "sent by another handle", must(c.End.Recv(ctx)))
	require.Equal(t, 8, must(c.Array.Load(2)))
	require.Equal(t, "all", must(c.List.Load(0)))
	require.NoError(t, c.Semaphore.Acquire(ctx, 1))
	held, ok, err := c.Map.Get("event")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, c.Event.Ref(), held.(*sync.Event).Ref())
	require.Equal(t, c.Event.Ref(), must(c.Queue.Get(ctx)).Ref())
}

func TestAHandleIsBoundToTheSegmentThatItCameThrough(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	there := again(t, seg)
	q, err := queue.New[crate](seg, 2)
	require.NoError(t, err)
	other, err := queue.From[crate](there, q.Ref())
	require.NoError(t, err)
	c := fullCrate(seg)
	require.NoError(t, q.Put(ctx, c))
	got, err := other.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Mutex.Lock(ctx))
	free, err := got.Mutex.TryLock() // one more attach is one more holder
	require.NoError(t, err)
	require.False(t, free)
	require.ErrorIs(t, got.Mutex.Unlock(), sync.ErrNotHeld)
	require.Equal(t, []any{42, nil, "x"}, got.More[:3])
}

func TestAHandleThatCannotBeReachedSaysWhy(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[*sync.Mutex](seg, 2)
	require.NoError(t, err)

	elsewhere, err := shm.Anonymous(1 << 16)
	require.NoError(t, err)
	m, err := sync.NewMutex(elsewhere)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, q.Put(ctx, m))
	}
	got, err := q.Get(ctx) // this process is attached to the other segment
	require.NoError(t, err)
	require.NoError(t, got.Lock(ctx))
	require.NoError(t, elsewhere.Close())
	_, err = q.Get(ctx)
	require.ErrorIs(t, err, shm.ErrNotExist)
	require.NotErrorIs(t, err, queue.ErrCorrupt)

	gone, err := sync.NewMutex(seg)
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, gone))
	require.NoError(t, seg.Destroy(gone.Ref()))
	_, err = q.Get(ctx)
	require.ErrorIs(t, err, shm.ErrStale)

	type owner struct{ Mu sync.MutexState }
	place, _, err := shm.NewStruct[owner](seg)
	require.NoError(t, err)
	part, err := sync.MutexAt(seg, &place.Mu)
	require.NoError(t, err)
	require.ErrorContains(t, q.Put(ctx, part), "it is part of a struct")
	require.NoError(t, q.Put(ctx, nil))
	got, err = q.Get(ctx)
	require.NoError(t, err)
	require.Nil(t, got)
}

type load struct {
	At   time.Time
	More any
}

func TestRegisteredTypesArriveInAnAny(t *testing.T) {
	shm.Register[load]()
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[any](seg, 2)
	require.NoError(t, err)
	in := load{time.Unix(1, 2).UTC(), []load{{More: uint8(1)}}}
	require.NoError(t, q.Put(ctx, in))
	require.Equal(t, any(in), must(q.Get(ctx)))

	ns := must(state.NewNamespace(seg)) // handles are registered, and what stands for one
	require.NoError(t, q.Put(ctx, ns))
	require.Equal(t, ns.Ref(), must(q.Get(ctx)).(*state.Namespace).Ref())
	end, _, err := queue.NewPipe[string, string](seg, 1)
	require.NoError(t, err)
	e := must(end.End())
	require.NoError(t, q.Put(ctx, e))
	require.Equal(t, any(e), must(q.Get(ctx)))

	type secret struct{ Code int }
	err = q.Put(ctx, map[string]any{"a": []any{secret{}}})
	require.ErrorContains(t, err, `["a"][0]: queue_test.secret cannot be encoded`)
	require.ErrorContains(t, err, "shm.Register")
	require.Zero(t, q.Len())
}
