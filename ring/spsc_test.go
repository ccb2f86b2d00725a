package ring_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

func TestValuesArriveOnceAndInOrder(t *testing.T) {
	for name, policy := range policies {
		for _, capacity := range []int{1, 2, 3, 7, 64, 1000} {
			t.Run(fmt.Sprint(name, " ", capacity), func(t *testing.T) {
				ctx := bounded(t)
				w, in := pipe[[2]uint64](t, capacity, ring.Waiting(policy))
				n := uint64(1000)
				if capacity >= 64 {
					n = 20000
				}
				done := make(chan error, 1)
				go func() {
					for i := range n {
						if err := w.Push(ctx, [2]uint64{i, ^i}); err != nil {
							done <- err
							return
						}
					}
					done <- w.Close()
				}()
				next := uint64(0)
				for v, err := range in.All(ctx) {
					require.NoError(t, err)
					require.Equal(t, [2]uint64{next, ^next}, v)
					next++
				}
				require.Equal(t, n, next)
				require.NoError(t, <-done)
			})
		}
	}
}

func TestBatchesKeepTheOrder(t *testing.T) {
	ctx := bounded(t)
	w, in := pipe[int32](t, 10)
	const n = 5000
	done := make(chan error, 1)
	go func() {
		batch := make([]int32, 0, 37)
		for i := int32(0); i < n; i += int32(len(batch)) {
			batch = batch[:0]
			for k := i; k < min(i+37, n); k++ {
				batch = append(batch, k)
			}
			if pushed, err := w.PushN(ctx, batch); err != nil || pushed != len(batch) {
				done <- fmt.Errorf("%d of %d: %w", pushed, len(batch), err)
				return
			}
		}
		done <- w.Close()
	}()
	buf := make([]int32, 23)
	next := int32(0)
	for {
		got, err := in.PopN(ctx, buf)
		if err != nil {
			require.ErrorIs(t, err, ring.ErrClosed)
			require.Zero(t, got)
			break
		}
		require.Positive(t, got)
		for _, v := range buf[:got] {
			require.Equal(t, next, v)
			next++
		}
	}
	require.EqualValues(t, n, next)
	require.NoError(t, <-done)
	got, err := in.PopN(ctx, nil)
	require.NoError(t, err)
	require.Zero(t, got)
}

func TestPushNSaysHowManyWent(t *testing.T) {
	w, in := pipe[byte](t, 3)
	n, err := w.PushN(over(), []byte{1, 2, 3, 4, 5})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 3, n)
	buf := make([]byte, 9)
	n, err = in.PopN(over(), buf)
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3}, buf[:n])
}

func TestTryCallsNeverWait(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 7} {
		w, in := pipe[int](t, capacity)
		_, ok, err := in.TryPop()
		require.NoError(t, err)
		require.False(t, ok)
		next := 0
		for lap := range 5 {
			for i := range capacity {
				ok, err := w.TryPush(lap*capacity + i)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, i+1, w.Len())
				require.Equal(t, i+1, in.Len())
			}
			ok, err := w.TryPush(-1)
			require.NoError(t, err)
			require.False(t, ok, "a full ring is full to the value")
			for range capacity {
				v, ok, err := in.TryPop()
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, next, v)
				next++
			}
			_, ok, err = in.TryPop()
			require.NoError(t, err)
			require.False(t, ok)
		}
		require.Equal(t, capacity, w.Cap())
		require.Equal(t, capacity, in.Cap())
	}
}

// An operation that need not wait does not look at its context; one that must looks first.
func TestTheContextCountsAtTheWaitAlone(t *testing.T) {
	w, in := pipe[int](t, 1)
	_, err := in.Pop(over())
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.Push(over(), 1))
	require.ErrorIs(t, w.Push(over(), 2), context.Canceled)
	v, err := in.Pop(over())
	require.NoError(t, err)
	require.Equal(t, 1, v, "the failed push left no trace")
	require.Zero(t, in.Len())
}

func TestAnEndOfTheContextEndsAWait(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			w, in := pipe[int](t, 1, ring.Waiting(policy))
			const d = 20 * time.Millisecond
			wait := func(call func(ctx context.Context) error) {
				start := time.Now() // before the context's clock starts
				ctx, cancel := context.WithTimeout(t.Context(), d)
				defer cancel()
				require.ErrorIs(t, call(ctx), context.DeadlineExceeded)
				require.GreaterOrEqual(t, time.Since(start), d)
				require.Less(t, time.Since(start), 20*time.Second)
			}
			wait(func(ctx context.Context) error { _, err := in.Pop(ctx); return err })
			require.NoError(t, w.Push(t.Context(), 1))
			wait(func(ctx context.Context) error { return w.Push(ctx, 2) })
			v, err := in.Pop(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, v)

			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error)
			go func() { _, err := in.Pop(ctx); failed <- err }()
			cancel()
			require.ErrorIs(t, <-failed, context.Canceled)
		})
	}
}

type inner struct {
	Fine [3]int
	Name string
}

func TestElementTypesWithPointersAreRefusedAndTheFieldNamed(t *testing.T) {
	a, _ := twins(t)
	_, err := ring.NewSPSC[struct{ A inner }](a, 4)
	require.ErrorContains(t, err, "A.Name")
	require.ErrorContains(t, err, "string")
	_, err = ring.NewSPSC[*int](a, 4)
	require.Error(t, err)
	_, err = ring.NewSPSC[[]byte](a, 4)
	require.Error(t, err)
	_, err = ring.NewSPSC[any](a, 4)
	require.Error(t, err)
	_, err = ring.NewSPSC[uintptr](a, 4)
	require.Error(t, err)
	_, err = ring.OpenSPSC[map[int]int](a, "none")
	require.ErrorContains(t, err, "map")
	_, err = ring.SPSCFrom[chan int](a, shm.Ref{})
	require.ErrorContains(t, err, "chan")
}

type point struct{ X, Y int32 }

func TestARingIsOpenedWithTheTypeThatItWasMadeOf(t *testing.T) {
	a, b := twins(t)
	made, err := ring.NewSPSC[point](a, 4, shm.Named("points"))
	require.NoError(t, err)
	opened, err := ring.OpenSPSC[point](b, "points")
	require.NoError(t, err)
	require.Equal(t, made.Ref(), opened.Ref())
	require.Equal(t, 4, opened.Cap())

	_, err = ring.OpenSPSC[int64](b, "points")
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = ring.OpenSPSC[struct{ Y, X int32 }](b, "points")
	require.ErrorIs(t, err, shm.ErrLayout, "names count")
	_, err = ring.SPSCFrom[[2]int32](b, made.Ref())
	require.ErrorIs(t, err, shm.ErrLayout)
	_, err = ring.OpenBytes(b, "points")
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = ring.BytesFrom(b, made.Ref())
	require.ErrorIs(t, err, shm.ErrKind)
	_, err = ring.OpenSPSC[point](b, "lines")
	require.ErrorIs(t, err, shm.ErrNotExist)
	_, err = ring.NewSPSC[point](b, 4, shm.Named("points"))
	require.ErrorIs(t, err, shm.ErrExist)
	_, err = ring.SPSCFrom[point](b, shm.Ref{})
	require.ErrorIs(t, err, shm.ErrStale)
	stranger, _ := twins(t)
	_, err = ring.SPSCFrom[point](stranger, made.Ref())
	require.ErrorIs(t, err, shm.ErrStale)
}

func TestWhoeverComesFirstMakesTheRing(t *testing.T) {
	a, b := twins(t)
	for name, ask := range map[string]func(seg *shm.Segment, name string, capacity int) (shm.Ref, error){
		"values": func(seg *shm.Segment, name string, capacity int) (shm.Ref, error) {
			return refOf(ring.OpenOrNewSPSC[uint64](seg, name, capacity))
		},
		"bytes": func(seg *shm.Segment, name string, capacity int) (shm.Ref, error) {
			return refOf(ring.OpenOrNewBytes(seg, name, capacity))
		},
		"many ends": func(seg *shm.Segment, name string, capacity int) (shm.Ref, error) {
			return refOf(ring.OpenOrNewMPMC[uint64](seg, name, capacity))
		},
		"broadcast": func(seg *shm.Segment, name string, capacity int) (shm.Ref, error) {
			return refOf(ring.OpenOrNewBroadcast[uint64](seg, name, capacity))
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(a, name, 0)
			require.ErrorIs(t, err, ring.ErrCapacity)
			var refs [8]shm.Ref
			var wg sync.WaitGroup
			for i := range refs {
				wg.Go(func() {
					var err error
					refs[i], err = ask([]*shm.Segment{a, b}[i%2], name, 1+i)
					assert.NoError(t, err)
				})
			}
			wg.Wait()
			for _, ref := range refs {
				require.Equal(t, refs[0], ref)
			}
			_, err = ring.OpenOrNewSPSC[uint32](b, name, 1)
			require.Error(t, err, "it is of another kind, or type")
		})
	}
}

func refOf[R interface{ Ref() shm.Ref }](r R, err error) (shm.Ref, error) {
	if err != nil {
		return shm.Ref{}, err
	}
	return r.Ref(), nil
}

func TestCapacitiesThatCannotBeAreRefused(t *testing.T) {
	a, _ := twins(t)
	for _, n := range []int{0, -1, int(^uint(0) >> 1), -int(^uint(0)>>1) - 1} {
		_, err := ring.NewSPSC[int](a, n)
		require.ErrorIs(t, err, ring.ErrCapacity, "%d", n)
		_, err = ring.NewBytes(a, n)
		require.ErrorIs(t, err, ring.ErrCapacity, "%d", n)
	}
	_, err := ring.NewSPSC[int64](a, int(a.Size()/16))
	require.ErrorIs(t, err, shm.ErrNoSpace, "what just does not fit")
	_, err = ring.NewBytes(a, int(a.Size()))
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.NoError(t, a.Check())
}

func TestValuesOfAnySizeArriveWhole(t *testing.T) {
	values[struct{}](t, func(int) struct{} { return struct{}{} })
	values(t, func(i int) bool { return i%3 == 0 })
	values(t, func(i int) uint8 { return uint8(i) })
	values(t, func(i int) [3]uint8 { return [3]uint8{byte(i), byte(i >> 1), 7} })
	values(t, func(i int) uint32 { return uint32(i) * 7 })
	values(t, func(i int) complex128 { return complex(float64(i), -1) })
	values(t, func(i int) [1000]uint64 { var a [1000]uint64; a[0], a[999] = uint64(i), ^uint64(i); return a })
	values(t, func(i int) (v struct {
		A int8
		B int64
		C [5]int16
	}) {
		v.A, v.B, v.C[4] = int8(i), int64(i)<<40, int16(i)
		return v
	})
}

func values[T comparable](t *testing.T, value func(i int) T) {
	t.Run(fmt.Sprintf("%T", *new(T)), func(t *testing.T) {
		w, in := pipe[T](t, 3)
		for i := range 100 {
			require.NoError(t, w.Push(t.Context(), value(i)))
			v, err := in.Pop(t.Context())
			require.NoError(t, err)
			require.Equal(t, value(i), v, strconv.Itoa(i))
		}
	})
}

func TestTheFastPathsDoNotAllocate(t *testing.T) {
	ctx := t.Context()
	w, in := pipe[[4]uint64](t, 64)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if w.Push(ctx, [4]uint64{}) != nil {
			t.Fail()
		}
		if _, err := in.Pop(ctx); err != nil {
			t.Fail()
		}
	}))
	bw, br, _ := bytesPipe(t, 1000)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, err := bw.Reserve(ctx, 100); err != nil {
			t.Fail()
		}
		bw.Commit(100)
		if _, err := br.Peek(ctx); err != nil {
			t.Fail()
		}
		br.Release()
	}))
}
