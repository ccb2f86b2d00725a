package queue_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// task is what a process is to do with a queue of strings.
type task struct {
	Queue, Answer shm.Ref
	From, N       uint64
}

func (k task) open(ctx context.Context) (q *queue.Queue[string], err error) {
	return queue.From[string](proc.Segments(ctx)[0], k.Queue)
}

var (
	start = proctest.Start[task]
	kill  = proctest.Kill
)

// sweep sweeps those who are dead.
func sweep(seg *shm.Segment) error {
	all, err := seg.Engine().Participants()
	for _, p := range all {
		seg.Engine().Gone(p.Owner)
	}
	return err
}

// requireBlocks looks whether the segment has so many blocks, when all is freed that dead ones had.
func requireBlocks(t *testing.T, seg *shm.Segment, n uint64) {
	t.Helper()
	require.NoError(t, sweep(seg))
	require.Equal(t, n, seg.Stats().Blocks)
	require.NoError(t, shm.Check(seg))
}

// producer puts messages of its own, singly and by several, and exits.
var producer = proc.Func("queue_test.producer", func(ctx context.Context, k task) error {
	q, err := k.open(ctx)
	if err != nil {
		return err
	}
	for i := uint64(1); i <= k.N; {
		var batch []string
		for n := 1 + i%5; n > 0 && i <= k.N; n-- {
			batch = append(batch, textOf(k.From<<32|i))
			i++
		}
		if len(batch) == 1 {
			err = q.Put(ctx, batch[0])
		} else {
			_, err = q.PutMany(ctx, batch)
		}
		if err != nil {
			return err
		}
	}
	return nil
})

// consumer gets messages until the queue is shut down, and puts what they say into another one.
var consumer = proc.Func("queue_test.consumer", func(ctx context.Context, k task) error {
	q, err := k.open(ctx)
	if err != nil {
		return err
	}
	out, err := queue.From[uint64](proc.Segments(ctx)[0], k.Answer)
	if err != nil {
		return err
	}
	vs := make([]string, 3)
	for {
		n, err := q.GetMany(ctx, vs)
		if errors.Is(err, queue.ErrShutDown) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, v := range vs[:n] {
			number, err := ofText(v)
			if err != nil {
				return err
			}
			if err := out.Put(ctx, number); err != nil {
				return err
			}
		}
	}
})

func TestProcessesLoseNoMessage(t *testing.T) {
	const producers, consumers, each = 3, 3, 2000
	ctx, seg := bounded(t), anonymous(t)
	there, err := queue.New[string](seg, 50)
	require.NoError(t, err)
	back, err := queue.New[uint64](seg, 50)
	require.NoError(t, err)
	var putting, getting []*proc.Process
	for i := range producers {
		putting = append(putting, start(t, producer, seg, task{Queue: there.Ref(), From: uint64(i), N: each}))
	}
	for range consumers {
		getting = append(getting, start(t, consumer, seg, task{Queue: there.Ref(), Answer: back.Ref()}))
	}
	seen := map[uint64]bool{}
	for range producers * each {
		v, err := back.Get(ctx)
		require.NoError(t, err)
		require.False(t, seen[v], "%#x came twice", v)
		seen[v] = true
	}
	for _, p := range putting {
		require.NoError(t, p.Wait(ctx))
	}
	require.NoError(t, there.Shutdown())
	for _, p := range getting {
		require.NoError(t, p.Wait(ctx))
	}
	require.True(t, back.Empty())
	requireBlocks(t, seg, 2)
}

// What killed producers had put comes, once, and in their order. The room that they had is there again.
func TestProducersAreKilled(t *testing.T) {
	const capacity = 20
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[string](seg, capacity)
	require.NoError(t, err)
	last := map[uint64]uint64{}
	get := func() bool {
		v, ok, err := q.TryGet()
		require.NoError(t, err)
		if ok {
			n, err := ofText(v)
			require.NoError(t, err)
			require.Equal(t, last[n>>32]+1, n&(1<<32-1), "message of producer %d", n>>32)
			last[n>>32]++
		}
		return ok
	}
	for round := range 3 {
		var children []*proc.Process
		for i := range 3 {
			children = append(children, start(t, producer, seg, task{Queue: q.Ref(), From: uint64(round*3 + i), N: 1 << 30}))
		}
		for range 200 + rand.IntN(2000) {
			for !get() {
			}
		}
		for _, p := range children {
			kill(t, p)
		}
		for n := q.Len(); n > 0; n-- {
			require.Equal(t, n, q.Len())
			require.True(t, get())
		}
		require.False(t, get())
		for i := range capacity {
			require.NoError(t, q.Put(ctx, textOf(1000<<32|(last[1000]+uint64(i)+1))))
		}
		require.True(t, q.Full())
		for get() {
		}
		requireBlocks(t, seg, 1)
	}
}

// teller gets as fast as it can, and puts what that says into another queue. It never says Done; a lease ends behind that.
var teller = proc.Func("queue_test.teller", func(ctx context.Context, k task) error {
	q, err := k.open(ctx)
	if err != nil {
		return err
	}
	out, err := queue.From[uint64](proc.Segments(ctx)[0], k.Answer)
	if err != nil {
		return err
	}
	for v, err := range q.All(ctx) {
		if err != nil {
			return err
		}
		n, err := ofText(v)
		if err != nil {
			return err
		}
		if err := out.Put(ctx, n); err != nil {
			return err
		}
	}
	return nil
})

// Of what a killed consumer took, all but the last is with its caller; and each message that it took is known to be abandoned.
func TestConsumersAreKilled(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[string](seg, 64, queue.Joinable())
	require.NoError(t, err)
	for range 8 {
		told, err := queue.New[uint64](seg, 1<<12)
		require.NoError(t, err)
		p := start(t, teller, seg, task{Queue: q.Ref(), Answer: told.Ref()})
		put := 100 + rand.IntN(2000)
		for i := range put {
			require.NoError(t, q.Put(ctx, textOf(uint64(i+1))))
		}
		kill(t, p)
		returned := told.Len()
		for i := range returned {
			v, err := told.Get(ctx)
			require.NoError(t, err)
			require.EqualValues(t, i+1, v)
		}
		left := q.Len()
		require.LessOrEqual(t, returned+left, put)
		require.GreaterOrEqual(t, returned+left, put-1)
		for i := range left {
			v, err := q.Get(ctx)
			require.NoError(t, err)
			n, err := ofText(v)
			require.NoError(t, err)
			require.EqualValues(t, put-left+i+1, n)
			require.NoError(t, q.Done())
		}
		require.ErrorIs(t, q.Done(), queue.ErrDone)
		err = q.Join(ctx)
		var abandoned *queue.AbandonedError
		if put > left {
			require.ErrorAs(t, err, &abandoned)
			require.Equal(t, put-left, abandoned.Messages)
			err = q.Join(ctx)
		}
		require.NoError(t, err)
		require.NoError(t, seg.Destroy(told.Ref()))
		requireBlocks(t, seg, 1)
	}
}

// A Join that sleeps is told of the death of who had taken messages; so is a Put that waits for room.
func TestWhoWaitsIsToldOfADeath(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[string](seg, 4, queue.Joinable())
	require.NoError(t, err)
	told, err := queue.New[uint64](seg, 10)
	require.NoError(t, err)
	for i := range 4 {
		require.NoError(t, q.Put(ctx, textOf(uint64(i))))
	}
	p := start(t, teller, seg, task{Queue: q.Ref(), Answer: told.Ref()})
	for range 4 {
		_, err := told.Get(ctx)
		require.NoError(t, err)
	}
	joined := make(chan error)
	go func() { joined <- q.Join(ctx) }()
	kill(t, p)
	require.ErrorIs(t, <-joined, queue.ErrAbandoned)
}

// Who is stopped anywhere in a put or a get, and killed there, keeps nobody from going on behind that.
func TestOneIsStoppedAndThenKilled(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[string](seg, 8)
	require.NoError(t, err)
	for range 6 {
		back, err := queue.New[uint64](seg, 1<<12)
		require.NoError(t, err)
		putting := start(t, producer, seg, task{Queue: q.Ref(), N: 1 << 30})
		getting := start(t, teller, seg, task{Queue: q.Ref(), Answer: back.Ref()})
		for range 100 + rand.IntN(200) {
			_, err := back.Get(ctx)
			require.NoError(t, err)
		}
		require.NoError(t, proctest.Stop(putting.Pid()))
		require.NoError(t, proctest.Stop(getting.Pid()))
		kill(t, putting)
		kill(t, getting)
		for n := q.Len(); n > 0; n-- {
			v, err := q.Get(ctx)
			require.NoError(t, err)
			_, err = ofText(v)
			require.NoError(t, err)
		}
		require.True(t, q.Empty())
		for range 8 {
			require.NoError(t, q.Put(ctx, "x"))
		}
		require.True(t, q.Full())
		_, err = q.GetMany(ctx, make([]string, 8))
		require.NoError(t, err)
		require.NoError(t, seg.Destroy(back.Ref()))
		requireBlocks(t, seg, 1)
	}
}
