package ring_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// feed is a broadcast ring of one participant, and the same of another.
func feed[T any](t testing.TB, capacity int) (here, there *ring.Broadcast[T]) {
	t.Helper()
	a, b := twins(t)
	here, err := ring.NewBroadcast[T](a, capacity)
	require.NoError(t, err)
	there, err = ring.BroadcastFrom[T](b, here.Ref())
	require.NoError(t, err)
	return here, there
}

func writer[T any](t testing.TB, b *ring.Broadcast[T], opts ...ring.EndOption) *ring.BroadcastWriter[T] {
	t.Helper()
	w, err := b.Writer(opts...)
	require.NoError(t, err)
	return w
}

func subscriber[T any](t testing.TB, b *ring.Broadcast[T], opts ...ring.EndOption) *ring.Subscriber[T] {
	t.Helper()
	s, err := b.Subscribe(opts...)
	require.NoError(t, err)
	return s
}

// pushed pushes the numbers from first to last.
func pushed(t testing.TB, w *ring.BroadcastWriter[uint64], first, last uint64) {
	t.Helper()
	for v := first; v <= last; v++ {
		require.NoError(t, w.Push(over(), v))
	}
}

// rest is what a subscriber finds.
func rest(t testing.TB, s *ring.Subscriber[uint64]) (vs []uint64) {
	t.Helper()
	for {
		v, ok, err := s.TryNext()
		require.NoError(t, err)
		if !ok {
			return vs
		}
		vs = append(vs, v)
	}
}

func numbers(first, last uint64) (vs []uint64) {
	for v := first; v <= last; v++ {
		vs = append(vs, v)
	}
	return vs
}

func TestEverySubscriberSeesEveryRecord(t *testing.T) {
	here, there := feed[uint64](t, 8)
	w := writer(t, here)
	a, b, c := subscriber(t, here), subscriber(t, there), subscriber(t, there, ring.Blocking())
	for lap := range uint64(20) {
		pushed(t, w, lap*7, lap*7+6)
		for _, s := range []*ring.Subscriber[uint64]{a, b, c} {
			require.Equal(t, numbers(lap*7, lap*7+6), rest(t, s))
			require.Equal(t, lap*7+7, s.Sequence())
		}
	}
	require.EqualValues(t, 140, w.Sequence())
	require.Equal(t, 8, here.Cap())
}

func TestASubscriberBeginsWhereItLikes(t *testing.T) {
	here, there := feed[uint64](t, 8)
	w := writer(t, here)
	for _, opts := range [][]ring.EndOption{nil, {ring.FromNewest()}, {ring.FromOldest()}, {ring.FromSequence(0)}, {ring.Blocking()}} {
		s := subscriber(t, there, opts...)
		require.Zero(t, s.Sequence())
		require.NoError(t, s.Close())
	}
	pushed(t, w, 0, 99)
	oldest, next, err := there.Bounds()
	require.NoError(t, err)
	require.EqualValues(t, 100, next)
	require.LessOrEqual(t, oldest, uint64(92), "8 are kept at least")
	for _, blocking := range [][]ring.EndOption{nil, {ring.Blocking()}} {
		from := func(o ring.EndOption) *ring.Subscriber[uint64] { return subscriber(t, there, append(blocking, o)...) }
		old, late, at := from(ring.FromOldest()), from(ring.FromNewest()), from(ring.FromSequence(95))
		require.Equal(t, numbers(oldest, 99), rest(t, old))
		require.Empty(t, rest(t, late))
		require.Equal(t, numbers(95, 99), rest(t, at))
		require.Empty(t, rest(t, from(ring.FromSequence(100))))
		for _, gone := range []uint64{0, oldest - 1, 101, 1 << 60} {
			_, err := there.Subscribe(append(blocking, ring.FromSequence(gone))...)
			require.ErrorIs(t, err, ring.ErrSequence)
			require.ErrorContains(t, err, "there are 90 to 100")
		}
	}
}

func TestASlowSubscriberIsToldWhatItMissed(t *testing.T) {
	here, there := feed[uint64](t, 8)
	w := writer(t, here)
	s := subscriber(t, there)
	pushed(t, w, 0, 99)
	oldest, _, err := there.Bounds()
	require.NoError(t, err)
	_, err = s.Next(over())
	require.ErrorIs(t, err, ring.ErrLapped)
	var lapped *ring.Lapped
	require.ErrorAs(t, err, &lapped)
	require.Equal(t, ring.Lapped{Missed: oldest, Next: oldest}, *lapped)
	require.Equal(t, numbers(oldest, 99), rest(t, s))

	pushed(t, w, 100, 130)
	_, ok, err := s.TryNext()
	require.ErrorIs(t, err, ring.ErrLapped)
	require.False(t, ok)
	pushed(t, w, 131, 160)
	vs := make([]uint64, 100)
	_, err = s.NextN(over(), vs)
	require.ErrorIs(t, err, ring.ErrLapped)
	n, err := s.NextN(over(), vs)
	require.NoError(t, err)
	all := append(vs[:n:n], rest(t, s)...)
	require.Equal(t, numbers(161-uint64(len(all)), 160), all)
	require.GreaterOrEqual(t, len(all), 8)
}

func TestABlockingSubscriberHoldsWritersUp(t *testing.T) {
	for _, capacity := range []int{1, 2, 5, 100} {
		here, there := feed[uint64](t, capacity)
		w := writer(t, here)
		s, lapped := subscriber(t, there, ring.Blocking()), subscriber(t, there)
		n := uint64(0)
		for {
			ok, err := w.TryPush(n)
			require.NoError(t, err)
			if !ok {
				break
			}
			n++
		}
		require.GreaterOrEqual(t, n, uint64(capacity))
		require.ErrorIs(t, w.Push(over(), n), context.Canceled)
		for i := range uint64(500) {
			v, err := s.Next(over())
			require.NoError(t, err)
			require.Equal(t, i, v)
			v, err = lapped.Next(over())
			require.NoError(t, err)
			require.Equal(t, i, v)
			require.NoError(t, w.Push(over(), n+i), "one was read, and one has room")
			ok, err := w.TryPush(0)
			require.NoError(t, err)
			require.False(t, ok)
		}
		require.NoError(t, s.Close())
		for i := range uint64(500) {
			require.NoError(t, w.Push(over(), i), "nobody holds it up")
		}
		_, err := lapped.Next(over())
		require.ErrorIs(t, err, ring.ErrLapped)
	}
}

func TestPushWaitsForABlockingSubscriber(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			here, there := feed[uint64](t, 4)
			w := writer(t, here, ring.Waiting(policy))
			s := subscriber(t, there, ring.Blocking(), ring.Waiting(policy))
			done := make(chan error, 1)
			const n = 20_000
			go func() {
				for v := range uint64(n) {
					if err := w.Push(ctx, v); err != nil {
						done <- err
						return
					}
				}
				done <- w.Close()
			}()
			want := uint64(0)
			for v, err := range s.All(ctx) {
				require.NoError(t, err)
				require.Equal(t, want, v)
				want++
			}
			require.EqualValues(t, n, want)
			require.NoError(t, <-done)
		})
	}
}

func TestWritersTakeTurns(t *testing.T) {
	ctx := bounded(t)
	here, there := feed[[2]uint64](t, 64)
	s := subscriber(t, there, ring.Blocking())
	const each = 5000
	var all sync.WaitGroup
	for i := range uint64(4) {
		w := writer(t, []*ring.Broadcast[[2]uint64]{here, there}[i%2])
		all.Go(func() {
			for n := range uint64(each) {
				if err := w.Push(ctx, [2]uint64{i, n}); err != nil {
					t.Error(err)
					return
				}
			}
			if err := w.Leave(); err != nil {
				t.Error(err)
			}
		})
	}
	var next [4]uint64
	for range 4 * each {
		v, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, next[v[0]], v[1])
		next[v[0]]++
	}
	all.Wait()
}

// A writer that is at no push keeps the turn from nobody.
func TestAnIdleWriterHoldsNobodyUp(t *testing.T) {
	here, there := feed[uint64](t, 64)
	s := subscriber(t, here)
	a, b := writer(t, here), writer(t, there)
	for i := uint64(0); i < 2000; i += 4 {
		require.NoError(t, a.Push(bounded(t), i))
		ok, err := a.TryPush(i + 1)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, b.Push(bounded(t), i+2))
		require.NoError(t, b.Push(bounded(t), i+3))
		require.Equal(t, numbers(i, i+3), rest(t, s))
	}
}

func TestPushNAndNextN(t *testing.T) {
	here, there := feed[uint64](t, 40)
	w := writer(t, here)
	s, b := subscriber(t, there), subscriber(t, there, ring.Blocking())
	next := uint64(0)
	vs := make([]uint64, 64)
	for i := range uint64(300) {
		n := i % 37
		got, err := w.PushN(over(), numbers(next+1, next+n))
		require.NoError(t, err)
		require.EqualValues(t, n, got)
		for _, s := range []*ring.Subscriber[uint64]{s, b} {
			for read := uint64(0); read < n; {
				k, err := s.NextN(over(), vs)
				require.NoError(t, err)
				require.Equal(t, numbers(next+read+1, next+read+uint64(k)), vs[:k])
				read += uint64(k)
			}
		}
		next += n
	}
	n, err := w.PushN(over(), make([]uint64, 1000))
	require.ErrorIs(t, err, context.Canceled)
	require.GreaterOrEqual(t, n, 40)
	n, err = s.NextN(over(), nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestCloseEndsTheStreamBehindWhatThereIs(t *testing.T) {
	ctx := bounded(t)
	here, there := feed[uint64](t, 8)
	w, other := writer(t, here), writer(t, there)
	s, b := subscriber(t, there), subscriber(t, here, ring.Blocking())
	pushed(t, other, 0, 2)
	pushed(t, w, 3, 5)
	require.NoError(t, other.Close())
	require.ErrorIs(t, w.Push(over(), 6), ring.ErrClosed)
	_, err := w.TryPush(6)
	require.ErrorIs(t, err, ring.ErrClosed)
	require.ErrorIs(t, other.Push(over(), 6), ring.ErrClosed)
	require.ErrorIs(t, other.Close(), ring.ErrClosed)
	_, err = here.Writer()
	require.ErrorIs(t, err, ring.ErrClosed)
	for _, s := range []*ring.Subscriber[uint64]{s, b} {
		vs := numbers(0, 5)
		for v, err := range s.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, vs[0], v)
			vs = vs[1:]
		}
		require.Empty(t, vs)
		_, err := s.Next(ctx)
		require.ErrorIs(t, err, ring.ErrClosed)
		_, _, err = s.TryNext()
		require.ErrorIs(t, err, ring.ErrClosed)
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.Close(), ring.ErrClosed)
		_, err = s.Next(ctx)
		require.ErrorIs(t, err, ring.ErrClosed)
	}
	late := subscriber(t, there, ring.FromOldest())
	v, err := late.Next(over())
	require.NoError(t, err)
	require.Zero(t, v)
}

// untilAsleep waits until so many goroutines wait at the ring, through these attaches.
func untilAsleep[T any](t *testing.T, ctx context.Context, n int, through ...*ring.Broadcast[T]) {
	t.Helper()
	for asleep := 0; asleep < n; runtime.Gosched() {
		require.NoError(t, ctx.Err())
		asleep = 0
		for _, b := range through {
			asleep += ring.CastSleepers(b)
		}
	}
}

func TestCloseWakesThoseWhoSleep(t *testing.T) {
	ctx := bounded(t)
	here, there := feed[uint64](t, 1)
	w, other := writer(t, here), writer(t, there)
	s, hold := subscriber(t, there), subscriber(t, there, ring.Blocking())
	for {
		ok, err := w.TryPush(0)
		require.NoError(t, err)
		if !ok {
			break
		}
		_, err = s.Next(ctx)
		require.NoError(t, err)
	}
	done := make(chan error, 2)
	go func() { done <- other.Push(ctx, 1) }()
	go func() { _, err := s.Next(ctx); done <- err }()
	untilAsleep(t, ctx, 2, there)
	require.NoError(t, w.Close())
	require.ErrorIs(t, <-done, ring.ErrClosed)
	require.ErrorIs(t, <-done, ring.ErrClosed)
	require.NoError(t, hold.Close())
}

func TestLeaveLeavesTheStreamToOthers(t *testing.T) {
	here, there := feed[uint64](t, 8)
	s := subscriber(t, here)
	for i := range uint64(200) { // more than there are rows
		w := writer(t, there)
		require.NoError(t, w.Push(over(), i))
		require.NoError(t, w.Leave())
		require.ErrorIs(t, w.Push(over(), i), ring.ErrClosed)
		require.ErrorIs(t, w.Leave(), ring.ErrClosed)
		require.Equal(t, []uint64{i}, rest(t, s))
	}
}

func TestThereAreSoManyRows(t *testing.T) {
	here, there := feed[uint64](t, 8)
	var ws []*ring.BroadcastWriter[uint64]
	for range 64 {
		ws = append(ws, writer(t, here))
	}
	_, err := there.Writer()
	require.ErrorIs(t, err, ring.ErrTooMany)
	_, err = there.Subscribe(ring.Blocking())
	require.ErrorIs(t, err, ring.ErrTooMany)
	subscriber(t, there)
	require.NoError(t, ws[5].Leave())
	subscriber(t, there, ring.Blocking())
}

func TestAClosedSegmentEndsABroadcast(t *testing.T) {
	ctx := bounded(t)
	a, b := twins(t)
	here, err := ring.NewBroadcast[uint64](a, 1)
	require.NoError(t, err)
	c := again(t, a)
	there, err := ring.BroadcastFrom[uint64](c, here.Ref())
	require.NoError(t, err)
	_ = b
	w, hold := writer(t, there), subscriber(t, there, ring.Blocking())
	s, mine := subscriber(t, there), writer(t, here)
	pushed(t, w, 0, 1)
	for range 2 {
		_, err = s.Next(ctx)
		require.NoError(t, err)
	}
	done := make(chan error, 1)
	go func() { _, err := s.Next(ctx); done <- err }()
	blocked := make(chan error, 1)
	go func() { blocked <- mine.Push(ctx, 2) }()
	untilAsleep(t, ctx, 2, there, here)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-done, ring.ErrClosed)
	require.NoError(t, <-blocked, "whoever held it up has left")
	for i, err := range []error{
		w.Push(ctx, 1), w.Close(), w.Leave(), hold.Close(), s.Close(),
		func() error { _, err := w.TryPush(1); return err }(),
		func() error { _, _, err := hold.TryNext(); return err }(),
		func() error { _, _, err := there.Bounds(); return err }(),
		func() error { _, err := there.Subscribe(); return err }(),
		func() error { _, err := there.Writer(); return err }(),
	} {
		require.ErrorIs(t, err, ring.ErrClosed, "%d", i)
	}
}

func TestBroadcastsAreMadeAndFound(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	b, err := ring.NewBroadcast[uint64](seg, 10, shm.Named("news"))
	require.NoError(t, err)
	_, err = ring.NewBroadcast[uint64](seg, 10, shm.Named("news"))
	require.ErrorIs(t, err, shm.ErrExist)
	again, err := ring.OpenBroadcast[uint64](seg, "news")
	require.NoError(t, err)
	require.Equal(t, b.Ref(), again.Ref())
	for range 2 {
		more, err := ring.OpenOrNewBroadcast[uint64](seg, "more", 10)
		require.NoError(t, err)
		require.NotEqual(t, b.Ref(), more.Ref())
		same, err := ring.OpenBroadcast[uint64](seg, "more")
		require.NoError(t, err)
		require.Equal(t, more.Ref(), same.Ref())
	}
	_, err = ring.OpenBroadcast[uint32](seg, "news")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = ring.OpenSPSC[uint64](seg, "news")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = ring.OpenBroadcast[uint64](seg, "olds")
	require.ErrorIs(t, err, shm.ErrNotExist)
	for _, capacity := range []int{-1, 0, 1 << 30} {
		_, err = ring.NewBroadcast[uint64](seg, capacity)
		require.ErrorIs(t, err, ring.ErrCapacity)
	}
	_, err = ring.NewBroadcast[struct{ A []int }](seg, 1)
	require.ErrorContains(t, err, "A")
	_, err = ring.NewBroadcast[uint64](seg, 72_000)
	require.ErrorIs(t, err, shm.ErrNoSpace)
}

func TestABroadcastAllocatesNothing(t *testing.T) {
	here, there := feed[[5]uint64](t, 64)
	w := writer(t, here)
	s, b := subscriber(t, there), subscriber(t, there, ring.Blocking())
	ctx := context.Background()
	vs := make([][5]uint64, 3)
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		err := w.Push(ctx, [5]uint64{1})
		ok, err2 := w.TryPush([5]uint64{2})
		n, err3 := w.PushN(ctx, vs)
		if err := errors.Join(err, err2, err3); err != nil || !ok || n != 3 {
			t.Error(err, ok, n)
		}
		for _, s := range []*ring.Subscriber[[5]uint64]{s, b} {
			_, err := s.Next(ctx)
			_, ok, err2 := s.TryNext()
			k, err3 := s.NextN(ctx, vs)
			for k < 3 && err3 == nil {
				var more int
				more, err3 = s.NextN(ctx, vs[k:])
				k += more
			}
			if err := errors.Join(err, err2, err3); err != nil || !ok || k != 3 {
				t.Error(err, ok, k)
			}
		}
	}))
}

// Who has given the turn up to others who wanted it need not wait for them if he cannot.
func TestABroadcastIsWrittenToThoughTheContextIsOver(t *testing.T) {
	here, there := feed[uint64](t, 64)
	w := writer(t, here)
	for range 3 {
		require.NoError(t, w.Push(t.Context(), 1))
		ring.Want(there)
		require.NoError(t, w.Push(over(), 2))
	}
}
