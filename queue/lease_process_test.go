package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// long are messages of which every other one lies in a box.
func long(n int) string { return fmt.Sprintf("%0*d", 4+n%2*200, n) }

// leasing makes a queue with leases of n messages, 0 to n-1.
func leasing(t *testing.T, seg *shm.Segment, n int, opts ...shm.ObjectOption) *queue.Queue[string] {
	t.Helper()
	q, err := queue.New[string](seg, 8, append(opts, queue.Leases())...)
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, q.Put(bounded(t), long(i)))
	}
	return q
}

func lease(t *testing.T, q *queue.Queue[string], n, deliveries int) queue.Lease[string] {
	t.Helper()
	l, err := q.Lease(bounded(t))
	require.NoError(t, err)
	require.Equal(t, long(n), l.Message)
	require.Equal(t, deliveries, l.Deliveries)
	return l
}

func TestALeaseLastsUntilItIsEnded(t *testing.T) {
	seg := anonymous(t)
	q := leasing(t, seg, 4)
	a, b := lease(t, q, 0, 1), lease(t, q, 1, 1)
	require.Equal(t, 2, q.Len())
	require.NoError(t, b.Nack())
	require.NoError(t, a.Nack())
	require.Equal(t, 4, q.Len())
	require.ErrorIs(t, a.Ack(), queue.ErrLease)
	require.ErrorIs(t, a.Nack(), queue.ErrLease)

	a = lease(t, q, 0, 2) // in their order, before the others
	b = lease(t, q, 1, 2)
	require.NoError(t, b.Ack())
	require.NoError(t, a.Nack())
	require.NoError(t, lease0(lease(t, q, 0, 3)).Ack())
	require.Equal(t, 2, q.Len())
	for i := 2; i < 4; i++ {
		v, err := q.Get(bounded(t)) // which is a lease that is ended at once
		require.NoError(t, err)
		require.Equal(t, long(i), v)
	}
	require.NoError(t, q.Join(bounded(t)))
	_, ok, err := q.TryLease()
	require.NoError(t, err)
	require.False(t, ok)
	requireBlocks(t, seg, 1)

	var none queue.Lease[string]
	require.ErrorIs(t, none.Ack(), queue.ErrLease)
	plain, err := queue.New[int](seg, 1)
	require.NoError(t, err)
	_, err = plain.Lease(bounded(t))
	require.ErrorIs(t, err, queue.ErrNoLeases)
	require.ErrorIs(t, q.Done(), queue.ErrNotJoinable)
}

func TestAnObserverSeesHowManyMessagesAreToBeLeased(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	seg, err := shm.Create("observed", 1<<20, dir)
	require.NoError(t, err)
	defer seg.Close()
	q := leasing(t, seg, 3, shm.Named("q"))
	require.NoError(t, lease0(lease(t, q, 0, 1)).Nack())
	_ = lease(t, q, 0, 2)
	require.NoError(t, lease0(lease(t, q, 1, 1)).Nack())
	observer, err := shm.Open("observed", shm.Observe(), dir)
	require.NoError(t, err)
	observed, err := queue.Open[string](observer, "q")
	require.NoError(t, err)
	require.Equal(t, 2, q.Len())
	require.Equal(t, 2, observed.Len())
	require.NoError(t, observer.Close())
	require.Zero(t, observed.Len())
}

// What the body of a loop did not get through with comes back; what it left by a break is done.
func TestAMessageThatTheBodyOfALoopPanicsOnComesBack(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := leasing(t, seg, 2)
	require.PanicsWithValue(t, "not this one", func() {
		for range q.All(ctx) {
			panic("not this one")
		}
	})
	left := make(chan struct{})
	go func() {
		defer close(left)
		for range q.All(ctx) {
			runtime.Goexit()
		}
	}()
	<-left
	require.NoError(t, lease0(lease(t, q, 0, 3)).Nack())
	for v, err := range q.All(ctx) {
		require.NoError(t, err)
		require.Equal(t, long(0), v)
		break
	}
	require.NoError(t, lease0(lease(t, q, 1, 1)).Ack())
	require.NoError(t, q.Join(ctx))
}

func lease0[T any](l queue.Lease[T]) *queue.Lease[T] { return &l }

func TestMessagesOfPlainMemoryAreLeased(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	type pair struct {
		A uint8
		B uint64
	}
	q, err := queue.New[pair](seg, 3, queue.Leases())
	require.NoError(t, err)
	for i := range 50 {
		require.NoError(t, q.Put(ctx, pair{uint8(i), uint64(i)}))
		l, err := q.Lease(ctx)
		require.NoError(t, err)
		require.Equal(t, pair{uint8(i), uint64(i)}, l.Message)
		require.NoError(t, l.Nack())
		vs := make([]pair, 2)
		n, err := q.GetMany(ctx, vs)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, l.Message, vs[0])
	}
}

func TestAsManyLeasesAsSlots(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[int](seg, 2, queue.Leases())
	require.NoError(t, err)
	var out []queue.Lease[int]
	for i := range 4 {
		require.NoError(t, q.Put(ctx, i))
		if i < 2 {
			l, err := q.Lease(ctx)
			require.NoError(t, err)
			out = append(out, l)
		}
	}
	_, ok, err := q.TryLease()
	require.NoError(t, err)
	require.False(t, ok)
	_, err = q.Lease(over())
	require.ErrorIs(t, err, context.Canceled)
	got := make(chan int)
	go func() {
		l, err := q.Lease(ctx)
		if err != nil {
			l.Message = -1
		}
		got <- l.Message
	}()
	require.NoError(t, out[0].Ack())
	require.Equal(t, 2, <-got)
}

func TestWhatComesBackTooOftenGoesToTheQueueForTheDead(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	dead, err := queue.New[string](seg, 1)
	require.NoError(t, err)
	q := leasing(t, seg, 3, queue.DeadTo(dead, 2))
	for i := range 2 {
		for d := 1; d <= 2; d++ {
			l := lease(t, q, i, d)
			require.NoError(t, l.Nack())
		}
	}
	// That has room for one; the other one waits.
	last := lease(t, q, 2, 1)
	require.Equal(t, 1, dead.Len())
	_, ok, err := q.TryLease()
	require.NoError(t, err)
	require.False(t, ok)
	for i := range 2 {
		v, err := dead.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, long(i), v)
		_, ok, err := q.TryLease()
		require.NoError(t, err)
		require.False(t, ok)
	}
	require.NoError(t, last.Nack())
	require.NoError(t, lease0(lease(t, q, 2, 2)).Nack())
	require.NoError(t, dead.Shutdown())
	require.NoError(t, lease0(lease(t, q, 2, 3)).Ack()) // nobody takes it
	require.NoError(t, q.Join(ctx))
	requireBlocks(t, seg, 2)

	_, err = queue.New[string](seg, 1, queue.DeadTo(dead, 0))
	require.ErrorIs(t, err, queue.ErrOption)
	_, err = queue.New[string](seg, 1, queue.DeadTo[string](nil, 2))
	require.ErrorIs(t, err, queue.ErrOption)
	_, err = queue.New[int](seg, 1, queue.DeadTo(dead, 2)) // of other messages
	require.ErrorIs(t, err, shm.ErrLayout)
	require.ErrorContains(t, err, "queue for the dead")
}

func TestShutdownWaitsForLeases(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := leasing(t, seg, 2)
	other, err := queue.From[string](again(t, seg), q.Ref())
	require.NoError(t, err)
	l := lease(t, q, 0, 1)
	require.NoError(t, lease0(lease(t, other, 1, 1)).Ack())
	require.NoError(t, q.Shutdown())
	_, ok, err := other.TryLease() // it may come back
	require.NoError(t, err)
	require.False(t, ok)
	_, err = q.Lease(ctx) // that is its own
	require.ErrorIs(t, err, queue.ErrShutDown)
	require.NoError(t, l.Nack())
	require.NoError(t, lease0(lease(t, other, 0, 2)).Ack())
	_, err = other.Lease(ctx)
	require.ErrorIs(t, err, queue.ErrShutDown)
	requireBlocks(t, seg, 1)
}

func TestShutdownNowDropsWhatComesBack(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := leasing(t, seg, 4)
	a, b, c := lease(t, q, 0, 1), lease(t, q, 1, 1), lease(t, q, 2, 1)
	require.NoError(t, b.Nack())
	require.NoError(t, q.ShutdownNow())
	require.NoError(t, c.Nack())
	_, err := q.Lease(ctx)
	require.ErrorIs(t, err, queue.ErrShutDown)
	require.NoError(t, a.Ack())
	require.NoError(t, q.Join(ctx))
	require.Zero(t, q.Len())
	requireBlocks(t, seg, 1)
}

func TestCloseGivesLeasesBack(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := leasing(t, seg, 2)
	f, err := seg.File()
	require.NoError(t, err)
	defer f.Close()
	there, err := shm.FromFile(f)
	require.NoError(t, err)
	other, err := queue.From[string](there, q.Ref())
	require.NoError(t, err)
	l := lease(t, other, 0, 1)
	_ = lease(t, q, 1, 1)
	require.NoError(t, there.Close())
	require.ErrorIs(t, l.Ack(), queue.ErrClosed)
	require.NoError(t, lease0(lease(t, q, 0, 2)).Ack())
	require.Zero(t, q.Len())
	_, err = q.Lease(over())
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, ctx.Err())
}

// holder leases messages, says so, and waits to be killed.
var holder = proc.Func("queue_test.holder", func(ctx context.Context, k task) error {
	q, err := k.open(ctx)
	if err != nil {
		return err
	}
	told, err := queue.From[uint64](proc.Segments(ctx)[0], k.Answer)
	if err != nil {
		return err
	}
	for range k.N {
		l, err := q.Lease(ctx)
		if err != nil {
			return err
		}
		if err := told.Put(ctx, uint64(l.Deliveries)); err != nil {
			return err
		}
	}
	<-ctx.Done()
	select {}
})

func TestTheLeaseOfADeadConsumerIsHandedOutAgain(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	dead, err := queue.New[string](seg, 8)
	require.NoError(t, err)
	q := leasing(t, seg, 2, queue.DeadTo(dead, 3))
	told, err := queue.New[uint64](seg, 8)
	require.NoError(t, err)
	for n := uint64(1); n <= 2; n++ {
		p := start(t, holder, seg, task{Queue: q.Ref(), Answer: told.Ref(), N: 2})
		for range 2 {
			require.Equal(t, n, must(told.Get(ctx)))
		}
		kill(t, p)
	}
	joined := make(chan error)
	go func() { joined <- q.Join(ctx) }()
	l := lease(t, q, 0, 3)
	require.NoError(t, l.Ack())
	l = lease(t, q, 1, 3)
	require.NoError(t, l.Nack())
	_, ok, err := q.TryLease()
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, <-joined)
	require.Equal(t, long(1), must(dead.Get(ctx)))
	requireBlocks(t, seg, 3)
}

func TestOneWhoWaitsGetsWhatADeadConsumerHad(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := leasing(t, seg, 1)
	told, err := queue.New[uint64](seg, 8)
	require.NoError(t, err)
	p := start(t, holder, seg, task{Queue: q.Ref(), Answer: told.Ref(), N: 1})
	require.Equal(t, uint64(1), must(told.Get(ctx)))
	got := make(chan error)
	go func() {
		l, err := q.Lease(ctx)
		if err == nil && l.Deliveries != 2 {
			err = fmt.Errorf("%d deliveries", l.Deliveries)
		}
		got <- err
	}()
	kill(t, p)
	require.NoError(t, <-got)
}

// TestNoMessageIsLostWhoeverDies has consumers killed at any time. Each message is done at the end, most of them once.
func TestNoMessageIsLostWhoeverDies(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	const all = 600
	q, err := queue.New[string](seg, 8, queue.Leases())
	require.NoError(t, err)
	out, err := queue.New[uint64](seg, 4096)
	require.NoError(t, err)
	k := task{Queue: q.Ref(), Answer: out.Ref()}
	workers := []*proc.Process{start(t, teller, seg, k), start(t, teller, seg, k)}
	for i := range uint64(all) {
		require.NoError(t, q.Put(ctx, textOf(i)))
		if i%100 == 50 {
			w := rand.IntN(len(workers))
			kill(t, workers[w])
			workers[w] = start(t, teller, seg, k)
		}
	}
	require.NoError(t, q.Join(ctx))
	require.NoError(t, q.Shutdown())
	for _, w := range workers {
		require.NoError(t, w.Wait(ctx))
	}
	times := map[uint64]int{}
	for out.Len() > 0 {
		times[must(out.Get(ctx))]++
	}
	require.Len(t, times, all)
	for n, k := range times {
		require.LessOrEqual(t, k, 7, "%d", n)
	}
	requireBlocks(t, seg, 2)
}

func TestAChannelHasTheMessages(t *testing.T) {
	seg := anonymous(t)
	for _, opts := range [][]shm.ObjectOption{nil, {queue.Leases()}} {
		q, err := queue.New[int](seg, 8, opts...)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(bounded(t))
		c := q.Chan(ctx)
		for i := range 20 {
			require.NoError(t, q.Put(ctx, i))
			select {
			case v := <-c:
				require.Equal(t, i, v)
			case <-ctx.Done():
				require.NoError(t, ctx.Err())
			}
		}
		cancel()
		_, ok := <-c
		require.False(t, ok)

		c = q.Chan(bounded(t))
		_, err = q.PutMany(bounded(t), []int{1, 2})
		require.NoError(t, err)
		require.NoError(t, q.Shutdown())
		require.Equal(t, 1, <-c)
		require.Equal(t, 2, <-c)
		_, ok = <-c
		require.False(t, ok)
	}
}

func TestWhatAChannelHasAtItsEndComesBack(t *testing.T) {
	q := leasing(t, anonymous(t), 1)
	ctx, cancel := context.WithCancel(bounded(t))
	c := q.Chan(ctx)
	for q.Len() > 0 {
		runtime.Gosched()
	}
	cancel()
	require.NoError(t, lease0(lease(t, q, 0, 2)).Ack()) // it is there again before anybody receives, who might get it still
	for range c {
		require.Fail(t, "received behind the end")
	}
}

// reversed is a codec of one's own, of what the other one refuses.
type reversed struct{}

type sealed struct{ text []byte }

func (reversed) Append(b []byte, v *sealed) ([]byte, error) {
	if v == nil {
		return nil, errors.New("nothing in it")
	}
	text := slices.Clone(v.text)
	slices.Reverse(text)
	return append(b, text...), nil
}

func (reversed) Decode(b []byte, v **sealed) error {
	if len(b) == 0 {
		return errors.New("empty")
	}
	slices.Reverse(b)
	*v = &sealed{b}
	return nil
}

func TestACodecOfOnesOwn(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	_, err := queue.New[*sealed](seg, 2)
	require.ErrorContains(t, err, "sealed cannot be encoded")
	through := queue.Through("reversed", reversed{})
	q, err := queue.New[*sealed](seg, 2, through, shm.Named("q"))
	require.NoError(t, err)
	for _, text := range []string{"short", strings.Repeat("long", 100)} {
		require.NoError(t, q.Put(ctx, &sealed{[]byte(text)}))
		require.Equal(t, text, string(must(q.Get(ctx)).text))
	}
	err = q.Put(ctx, nil)
	require.ErrorContains(t, err, "nothing in it")
	require.NoError(t, q.Put(ctx, &sealed{}))
	_, err = q.Get(ctx)
	require.ErrorIs(t, err, queue.ErrCorrupt)

	_, err = queue.Open[*sealed](seg, "q", through)
	require.NoError(t, err)
	_, err = queue.Open[*sealed](seg, "q", queue.Through("other", reversed{}))
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = queue.Open[string](seg, "q")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = queue.New[string](seg, 2, through)
	require.ErrorIs(t, err, queue.ErrOption)
}
