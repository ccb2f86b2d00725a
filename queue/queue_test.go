package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// kinds are queues whose messages lie in the slot, whose messages do sometimes, and that note who takes what.
func kinds(t *testing.T, f func(t *testing.T, of func(int) string, opts ...shm.ObjectOption)) {
	short := func(n int) string { return fmt.Sprint(n) }
	mixed := func(n int) string { return strings.Repeat(fmt.Sprint(n, " "), 1+n%3*40) }
	t.Run("short", func(t *testing.T) { f(t, short) })
	t.Run("mixed", func(t *testing.T) { f(t, mixed) })
	t.Run("joinable", func(t *testing.T) { f(t, mixed, queue.Joinable()) })
}

func TestMessagesComeInTheirOrder(t *testing.T) {
	kinds(t, func(t *testing.T, of func(int) string, opts ...shm.ObjectOption) {
		ctx := bounded(t)
		q, err := queue.New[string](anonymous(t), 6, opts...)
		require.NoError(t, err)
		require.Equal(t, 6, q.Cap())
		for round := range 5 {
			require.True(t, q.Empty())
			require.False(t, q.Full())
			for i := range 6 {
				require.NoError(t, q.Put(ctx, of(round+i)))
				require.Equal(t, i+1, q.Len())
			}
			require.True(t, q.Full())
			ok, err := q.TryPut("more")
			require.NoError(t, err)
			require.False(t, ok)
			require.ErrorIs(t, q.Put(over(), "more"), context.Canceled)
			for i := range 6 {
				v, err := q.Get(ctx)
				require.NoError(t, err)
				require.Equal(t, of(round+i), v)
			}
			_, ok, err = q.TryGet()
			require.NoError(t, err)
			require.False(t, ok)
			_, err = q.Get(over())
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}

func TestPlainMessages(t *testing.T) {
	type point struct {
		X, Y int32
		On   bool
	}
	ctx := bounded(t)
	seg := anonymous(t)
	q, err := queue.New[point](seg, 3, shm.Named("points"))
	require.NoError(t, err)
	other, err := queue.Open[point](again(t, seg), "points")
	require.NoError(t, err)
	for i := range int32(20) {
		require.NoError(t, q.Put(ctx, point{i, -i, i%2 == 0}))
		v, err := other.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, point{i, -i, i%2 == 0}, v)
	}
	n, err := q.PutMany(ctx, []point{{1, 2, true}, {3, 4, false}})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	got := make([]point, 5)
	n, err = other.GetMany(ctx, got)
	require.NoError(t, err)
	require.Equal(t, []point{{1, 2, true}, {3, 4, false}}, got[:n])
}

func TestAnyValueArrivesWithItsTypes(t *testing.T) {
	ctx := bounded(t)
	q, err := queue.New[[]any](anonymous(t), 1)
	require.NoError(t, err)
	for _, v := range [][]any{{int64(42), nil, "x"}, {}, {[]byte("b"), 1.5, true}} {
		require.NoError(t, q.Put(ctx, v))
		got, err := q.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	// What cannot be encoded takes no room.
	err = q.Put(ctx, []any{1, func() {}})
	require.ErrorContains(t, err, "[1]")
	require.NoError(t, q.Put(ctx, []any{1}))
	require.Equal(t, 1, q.Len())
	_, err = q.Get(ctx)
	require.NoError(t, err)
	require.True(t, q.Empty())
}

func TestLargeMessagesComeFromTheHeapAndGoBackThere(t *testing.T) {
	ctx := bounded(t)
	seg, err := shm.Anonymous(4 << 20)
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	q, err := queue.New[[]byte](seg, 8)
	require.NoError(t, err)
	before := seg.Stats().Blocks
	for n := 1; n < 2<<20; n *= 3 {
		large := make([]byte, n)
		large[n-1] = 7
		require.NoError(t, q.Put(ctx, large))
		got, err := q.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, large, got)
	}
	require.ErrorIs(t, q.Put(ctx, make([]byte, 8<<20)), shm.ErrNoSpace)
	require.Zero(t, q.Len())
	require.Equal(t, before, seg.Stats().Blocks)
	require.NoError(t, shm.Check(seg))
}

func TestBytesAreBounded(t *testing.T) {
	ctx := bounded(t)
	q, err := queue.New[string](anonymous(t), 100, queue.MaxBytes(1000))
	require.NoError(t, err)
	require.ErrorIs(t, q.Put(ctx, strings.Repeat("x", 1001)), queue.ErrTooLarge)
	for round := range 3 {
		for range 3 {
			ok, err := q.TryPut(strings.Repeat("y", 300+round))
			require.NoError(t, err)
			require.True(t, ok)
		}
		ok, err := q.TryPut(strings.Repeat("z", 200))
		require.NoError(t, err)
		require.False(t, ok)
		got := make([]string, 5)
		n, err := q.GetMany(ctx, got)
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}
	fixed, err := queue.New[uint64](anonymous(t), 100, queue.MaxBytes(64))
	require.NoError(t, err)
	require.Equal(t, 8, fixed.Cap())
}

func TestFullQueues(t *testing.T) {
	ctx := bounded(t)
	failing, err := queue.New[int](anonymous(t), 2, queue.FailWhenFull())
	require.NoError(t, err)
	n, err := failing.PutMany(ctx, []int{1, 2, 3})
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, queue.ErrFull)
	require.ErrorIs(t, failing.Put(ctx, 4), queue.ErrFull)

	kinds(t, func(t *testing.T, of func(int) string, opts ...shm.ObjectOption) {
		seg := anonymous(t)
		dropping, err := queue.New[string](seg, 3, append(opts, queue.DropOldest())...)
		require.NoError(t, err)
		for i := range 10 {
			require.NoError(t, dropping.Put(ctx, of(i)))
		}
		require.Equal(t, 3, dropping.Len())
		for i := 7; i < 10; i++ {
			v, err := dropping.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, of(i), v)
		}
		require.EqualValues(t, 1, seg.Stats().Blocks)
	})
	for _, opt := range []shm.ObjectOption{queue.OneWay(), sync.Bounded()} {
		_, err = queue.New[int](anonymous(t), 2, opt)
		require.ErrorIs(t, err, queue.ErrOption)
		require.ErrorContains(t, err, "another kind")
	}
	_, err = queue.New[int](anonymous(t), 2, queue.FailWhenFull(), queue.DropOldest())
	require.ErrorIs(t, err, queue.ErrOption)
	require.ErrorContains(t, err, "both FailWhenFull and DropOldest")
}

func TestAQueueThatIsShutDownIsDrained(t *testing.T) {
	kinds(t, func(t *testing.T, of func(int) string, opts ...shm.ObjectOption) {
		ctx := bounded(t)
		q, err := queue.New[string](anonymous(t), 4, opts...)
		require.NoError(t, err)
		for i := range 4 {
			require.NoError(t, q.Put(ctx, of(i)))
		}
		blocked := make(chan error)
		go func() { blocked <- q.Put(ctx, "more") }()
		require.NoError(t, q.Shutdown())
		require.ErrorIs(t, <-blocked, queue.ErrShutDown)
		require.ErrorIs(t, q.Put(ctx, "more"), queue.ErrShutDown)
		_, err = q.TryPut("more")
		require.ErrorIs(t, err, queue.ErrShutDown)
		var got []string
		for v, err := range q.All(ctx) {
			require.NoError(t, err)
			got = append(got, v)
		}
		require.Equal(t, []string{of(0), of(1), of(2), of(3)}, got)
		_, _, err = q.TryGet()
		require.ErrorIs(t, err, queue.ErrShutDown)
	})
}

func TestAQueueThatIsShutDownNowIsEmpty(t *testing.T) {
	kinds(t, func(t *testing.T, of func(int) string, opts ...shm.ObjectOption) {
		ctx := bounded(t)
		seg := anonymous(t)
		q, err := queue.New[string](seg, 4, opts...)
		require.NoError(t, err)
		blocked := make(chan error)
		empty, err := queue.New[string](seg, 4)
		require.NoError(t, err)
		go func() { _, err := empty.Get(ctx); blocked <- err }()
		for i := range 4 {
			require.NoError(t, q.Put(ctx, of(i)))
		}
		require.NoError(t, q.ShutdownNow())
		require.Zero(t, q.Len())
		_, err = q.Get(ctx)
		require.ErrorIs(t, err, queue.ErrShutDown)
		require.NoError(t, empty.ShutdownNow())
		require.ErrorIs(t, <-blocked, queue.ErrShutDown)
		require.EqualValues(t, 2, seg.Stats().Blocks)
	})
}

func TestJoinWaitsUntilAllIsDone(t *testing.T) {
	ctx := bounded(t)
	q, err := queue.New[string](anonymous(t), 20, queue.Joinable())
	require.NoError(t, err)
	require.NoError(t, q.Join(ctx))
	require.ErrorIs(t, q.Done(), queue.ErrDone)
	for i := range 10 {
		require.NoError(t, q.Put(ctx, fmt.Sprint(i)))
	}
	require.ErrorIs(t, q.Join(over()), context.Canceled)
	var left gosync.WaitGroup
	done := make([]bool, 10)
	for range 4 {
		left.Go(func() {
			for v, err := range q.All(ctx) {
				if err != nil {
					t.Error(err)
					return
				}
				done[v[0]-'0'] = true
				if err := q.Done(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	require.NoError(t, q.Join(ctx))
	require.NotContains(t, done, false)
	require.ErrorIs(t, q.Done(), queue.ErrDone)
	require.NoError(t, q.Shutdown())
	left.Wait()

	plain, err := queue.New[int](anonymous(t), 2)
	require.NoError(t, err)
	require.ErrorIs(t, plain.Done(), queue.ErrNotJoinable)
	require.ErrorIs(t, plain.Join(ctx), queue.ErrNotJoinable)
}

// What the channel of a queue has when its context ends is lost, and no Join waits for it.
func TestWhatAChannelLosesIsDone(t *testing.T) {
	ctx := bounded(t)
	q, err := queue.New[int](anonymous(t), 4, queue.Joinable())
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, 1))
	until, end := context.WithCancel(ctx)
	c := q.Chan(until)
	require.Eventually(t, q.Empty, time.Minute, time.Millisecond)
	end()
	require.NoError(t, q.Join(ctx))
	_, ok := <-c
	require.False(t, ok)
	require.ErrorIs(t, q.Done(), queue.ErrDone)
}

func TestAChannelWhoseContextIsOverTakesNothing(t *testing.T) {
	q, err := queue.New[int](anonymous(t), 4)
	require.NoError(t, err)
	require.NoError(t, q.Put(t.Context(), 1))
	_, ok := <-q.Chan(over())
	require.False(t, ok)
	require.Equal(t, 1, q.Len())
}

func TestWhatACloserHadTakenIsAbandoned(t *testing.T) {
	ctx := bounded(t)
	seg := anonymous(t)
	q, err := queue.New[string](seg, 20, queue.Joinable(), shm.Named("q"))
	require.NoError(t, err)
	n, err := q.PutMany(ctx, []string{"1", "2", "3", "4"})
	require.NoError(t, err)
	require.Equal(t, 4, n)
	other := again(t, seg)
	theirs, err := queue.Open[string](other, "q")
	require.NoError(t, err)
	for range 3 {
		_, err = theirs.Get(ctx)
		require.NoError(t, err)
	}
	require.NoError(t, theirs.Done())
	_, err = q.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, q.Done())
	joined := make(chan error)
	go func() { joined <- q.Join(ctx) }()
	require.NoError(t, other.Close())
	err = <-joined
	var abandoned *queue.AbandonedError
	require.ErrorAs(t, err, &abandoned)
	require.ErrorIs(t, err, queue.ErrAbandoned)
	require.Equal(t, 2, abandoned.Messages)
	require.NoError(t, q.Join(ctx))
	require.ErrorIs(t, theirs.Put(ctx, "5"), queue.ErrClosed)
	_, err = theirs.Get(ctx)
	require.ErrorIs(t, err, queue.ErrClosed)
	require.ErrorIs(t, theirs.Done(), queue.ErrClosed)
	require.ErrorIs(t, theirs.Join(ctx), queue.ErrClosed)
	require.ErrorIs(t, theirs.Shutdown(), queue.ErrClosed)
	require.Zero(t, theirs.Len())
}

func TestHandles(t *testing.T) {
	seg := anonymous(t)
	_, err := queue.Open[int](seg, "q")
	require.ErrorIs(t, err, shm.ErrNotExist)
	q, err := queue.OpenOrNew[int](seg, "q", 5)
	require.NoError(t, err)
	_, err = queue.New[int](seg, 5, shm.Named("q"))
	require.ErrorIs(t, err, shm.ErrExist)
	_, err = queue.Open[string](seg, "q")
	require.ErrorIs(t, err, shm.ErrLayout)
	same, err := queue.From[int](seg, q.Ref())
	require.NoError(t, err)
	require.NoError(t, q.Put(bounded(t), 7))
	require.Equal(t, 1, same.Len())
	_, err = queue.New[func()](seg, 5)
	require.Error(t, err)
	for _, capacity := range []int{-1, 0, 1 << 30} {
		_, err = queue.New[int](seg, capacity)
		require.ErrorIs(t, err, queue.ErrCapacity)
	}
	_, err = queue.New[int](seg, 5, queue.MaxBytes(-1))
	require.ErrorIs(t, err, queue.ErrCapacity)
}

// A queue does what a slice does from which the first is taken.
func TestAQueueIsASlice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		ctx := context.Background()
		seg, err := shm.Anonymous(1<<18, shm.Participants(4))
		require.NoError(r, err)
		defer func() { require.NoError(r, seg.Close()) }()
		capacity := rapid.IntRange(1, 9).Draw(r, "capacity")
		var opts []shm.ObjectOption
		if rapid.Bool().Draw(r, "joinable") {
			opts = append(opts, queue.Joinable())
		}
		q, err := queue.New[string](seg, capacity, opts...)
		require.NoError(r, err)
		var model []string
		message := rapid.Custom(func(r *rapid.T) string {
			return strings.Repeat(string(rapid.ByteRange('a', 'z').Draw(r, "letter")), rapid.SampledFrom([]int{0, 1, 95, 96, 97, 500}).Draw(r, "length"))
		})
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				v := message.Draw(r, "message")
				ok, err := q.TryPut(v)
				require.NoError(r, err)
				require.Equal(r, len(model) < capacity, ok)
				if ok {
					model = append(model, v)
				}
			},
			"put many": func(r *rapid.T) {
				vs := rapid.SliceOfN(message, 0, capacity-len(model)).Draw(r, "messages")
				n, err := q.PutMany(ctx, vs)
				require.NoError(r, err)
				require.Equal(r, len(vs), n)
				model = append(model, vs...)
			},
			"get": func(r *rapid.T) {
				v, ok, err := q.TryGet()
				require.NoError(r, err)
				require.Equal(r, len(model) > 0, ok)
				if ok {
					require.Equal(r, model[0], v)
					model = model[1:]
				}
			},
			"get many": func(r *rapid.T) {
				if len(model) == 0 {
					return
				}
				vs := make([]string, rapid.IntRange(1, 12).Draw(r, "n"))
				n, err := q.GetMany(ctx, vs)
				require.NoError(r, err)
				require.Equal(r, model[:min(len(model), len(vs))], vs[:n])
				model = model[n:]
			},
			"": func(r *rapid.T) {
				require.Equal(r, len(model), q.Len())
				boxes := 0
				for _, v := range model {
					if len(v) > 96 {
						boxes++
					}
				}
				require.EqualValues(r, 1+boxes, seg.Stats().Blocks)
			},
		})
	})
}

func TestGoroutinesShareAQueue(t *testing.T) {
	for _, capacity := range []int{1, 3, 100} {
		ctx := bounded(t)
		q, err := queue.New[uint64](anonymous(t), capacity)
		require.NoError(t, err)
		const producers, each = 4, 500
		var put, got gosync.WaitGroup
		for p := range uint64(producers) {
			put.Go(func() {
				for i := range uint64(each) {
					if err := q.Put(ctx, p<<32|i); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		came := make([][]uint64, 3)
		for c := range came {
			got.Go(func() {
				for v, err := range q.All(ctx) {
					if err != nil {
						t.Error(err)
						return
					}
					came[c] = append(came[c], v)
				}
			})
		}
		put.Wait()
		require.NoError(t, q.Shutdown())
		got.Wait()
		for _, c := range came {
			var next [producers]uint64
			for _, v := range c {
				require.GreaterOrEqual(t, uint32(v), uint32(next[v>>32]), "out of order")
				next[v>>32] = v + 1
			}
		}
		all := slices.Concat(came...)
		slices.Sort(all)
		require.Len(t, slices.Compact(all), producers*each)
	}
}

func TestErrorsNameWhatWasDone(t *testing.T) {
	q, err := queue.New[int](anonymous(t), 1)
	require.NoError(t, err)
	_, err = q.Get(over())
	require.ErrorContains(t, err, "queue: get from queue in segment ")
	require.True(t, errors.Is(err, context.Canceled))
}

func TestErrorsNameTheQueue(t *testing.T) {
	seg := anonymous(t)
	for name, opts := range map[string][]shm.ObjectOption{"queue": nil, `queue "jobs"`: {shm.Named("jobs")}} {
		q, err := queue.New[int](seg, 1, append(opts, queue.FailWhenFull())...)
		require.NoError(t, err)
		require.NoError(t, q.Put(t.Context(), 1))
		require.ErrorContains(t, q.Put(t.Context(), 2), "queue: put into "+name+" in segment "+seg.Engine().String()+": ")
	}
}
