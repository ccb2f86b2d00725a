package ring_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

func TestAnEndHasOneHolder(t *testing.T) {
	a, b := twins(t)
	made, err := ring.NewSPSC[int](a, 4)
	require.NoError(t, err)
	there, err := ring.SPSCFrom[int](b, made.Ref())
	require.NoError(t, err)
	_, err = made.Writer()
	require.NoError(t, err)
	_, err = made.Reader()
	require.NoError(t, err, "the other end is another matter")
	for _, r := range []*ring.SPSC[int]{made, there} {
		_, err = r.Writer()
		require.ErrorIs(t, err, ring.ErrBusy)
		require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
		_, err = r.Reader()
		require.ErrorIs(t, err, ring.ErrBusy)
	}
}

func TestManyWantAnEndAndOneGetsIt(t *testing.T) {
	a, b := twins(t)
	for range 50 {
		made, err := ring.NewSPSC[byte](a, 1)
		require.NoError(t, err)
		there, err := ring.SPSCFrom[byte](b, made.Ref())
		require.NoError(t, err)
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := 0
		for i := range 4 {
			wg.Go(func() {
				_, err := []*ring.SPSC[byte]{made, there}[i%2].Writer()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got++
				} else {
					require.ErrorIs(t, err, ring.ErrBusy)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, got)
	}
}

func TestTheWritersCloseEndsTheStream(t *testing.T) {
	w, in := pipe[int](t, 4)
	require.NoError(t, w.Push(t.Context(), 1))
	require.NoError(t, w.Push(t.Context(), 2))
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.Push(t.Context(), 3), ring.ErrClosed)
	ok, err := w.TryPush(3)
	require.ErrorIs(t, err, ring.ErrClosed)
	require.False(t, ok)
	require.ErrorIs(t, w.Close(), ring.ErrClosed)

	v, err := in.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, v)
	v, ok, err = in.TryPop()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 2, v)
	for range 2 {
		_, err = in.Pop(t.Context())
		require.ErrorIs(t, err, ring.ErrClosed)
		_, ok, err = in.TryPop()
		require.ErrorIs(t, err, ring.ErrClosed)
		require.False(t, ok)
	}
	require.NoError(t, in.Close())
	_, err = in.Pop(t.Context())
	require.ErrorIs(t, err, ring.ErrClosed)
}

func TestTheReadersCloseEndsTheWritersWork(t *testing.T) {
	w, in := pipe[int](t, 4)
	require.NoError(t, w.Push(t.Context(), 1))
	require.NoError(t, in.Close())
	var err error
	for i := 0; err == nil; i++ {
		require.Less(t, i, 2, "at most one push that was under way goes through")
		err = w.Push(t.Context(), 2)
	}
	require.ErrorIs(t, err, ring.ErrClosed)
	require.NoError(t, w.Close())
}

func TestAClosedEndIsNotTakenAgain(t *testing.T) {
	a, _ := twins(t)
	r, err := ring.NewSPSC[int](a, 4)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	require.NoError(t, w.Push(t.Context(), 7))
	require.NoError(t, w.Close())
	_, err = r.Writer()
	require.ErrorIs(t, err, ring.ErrClosed)

	in, err := r.Reader()
	require.NoError(t, err, "what was written can still be read")
	v, err := in.Pop(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, v)
	require.NoError(t, in.Close())
	_, err = r.Reader()
	require.ErrorIs(t, err, ring.ErrClosed)
}

func TestCloseOfTheOtherEndWakesWhoWaits(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			w, in := pipe[int](t, 1, ring.Waiting(policy))
			failed := make(chan error)
			go func() { _, err := in.Pop(ctx); failed <- err }()
			runtime.Gosched()
			require.NoError(t, w.Close())
			require.ErrorIs(t, <-failed, ring.ErrClosed)

			w, in = pipe[int](t, 1, ring.Waiting(policy))
			require.NoError(t, w.Push(ctx, 1))
			go func() { failed <- w.Push(ctx, 2) }()
			runtime.Gosched()
			require.NoError(t, in.Close())
			require.ErrorIs(t, <-failed, ring.ErrClosed)

			bw, br, _ := bytesPipe(t, 1, ring.Waiting(policy))
			go func() { _, err := br.Peek(ctx); failed <- err }()
			runtime.Gosched()
			require.NoError(t, bw.Close())
			require.ErrorIs(t, <-failed, ring.ErrClosed)
		})
	}
}

// Close of a segment is a small death: the other side drains, hears of it once, and goes on with a
// successor.
func TestWhoClosesItsSegmentIsDeadToTheOtherEnd(t *testing.T) {
	ctx := bounded(t)
	a, b := twins(t)
	r, err := ring.NewSPSC[int](a, 4)
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	next := 0
	for range 5 {
		other := again(t, b)
		there, err := ring.SPSCFrom[int](other, r.Ref())
		require.NoError(t, err)
		w, err := there.Writer()
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, w.Push(ctx, next))
			next++
		}
		require.NoError(t, other.Close())
		require.ErrorIs(t, w.Push(ctx, -1), ring.ErrClosed)
		require.ErrorIs(t, w.Close(), ring.ErrClosed)
		for i := range 3 {
			v, err := in.Pop(ctx)
			require.NoError(t, err)
			require.Equal(t, next-3+i, v)
		}
		_, err = in.Pop(ctx)
		require.ErrorIs(t, err, ring.ErrPeerDied)
		_, err = in.Pop(over())
		require.ErrorIs(t, err, context.Canceled, "once for each")
	}
}

func TestWhoBlocksIsWokenByTheCloseOfTheOthersSegment(t *testing.T) {
	ctx := bounded(t)
	a, b := twins(t)
	r, err := ring.NewSPSC[int](a, 4)
	require.NoError(t, err)
	there, err := ring.SPSCFrom[int](b, r.Ref())
	require.NoError(t, err)
	_, err = there.Writer()
	require.NoError(t, err)
	in, err := r.Reader(ring.Waiting(ring.Park))
	require.NoError(t, err)
	failed := make(chan error)
	go func() { _, err := in.Pop(ctx); failed <- err }()
	require.NoError(t, b.Close())
	require.ErrorIs(t, <-failed, ring.ErrPeerDied)
}

func TestASuccessorIsFoundByWhoWaitsAlready(t *testing.T) {
	ctx := bounded(t)
	a, b := twins(t)
	r, err := ring.NewSPSC[int](a, 4)
	require.NoError(t, err)
	in, err := r.Reader(ring.Waiting(ring.Park))
	require.NoError(t, err)
	got := make(chan int)
	go func() {
		v, err := in.Pop(ctx)
		if err == nil {
			got <- v
		}
		close(got)
	}()
	there, err := ring.SPSCFrom[int](b, r.Ref())
	require.NoError(t, err)
	w, err := there.Writer()
	require.NoError(t, err)
	require.NoError(t, w.Push(ctx, 5))
	require.Equal(t, 5, <-got)
}

func TestCloseOfOnesOwnSegmentWakesAndEndsEverything(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			a, b := twins(t)
			r, err := ring.NewSPSC[int](a, 1)
			require.NoError(t, err)
			w, err := r.Writer(ring.Waiting(policy))
			require.NoError(t, err)
			there, err := ring.SPSCFrom[int](b, r.Ref())
			require.NoError(t, err)
			in, err := there.Reader(ring.Waiting(policy))
			require.NoError(t, err)
			require.NoError(t, w.Push(ctx, 1))
			failed := make(chan error)
			go func() { failed <- w.Push(ctx, 2) }()
			runtime.Gosched()
			require.NoError(t, a.Close())
			require.ErrorIs(t, <-failed, shm.ErrClosed)
			v, err := in.Pop(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, v)

			go func() { _, err := in.Pop(ctx); failed <- err }()
			require.ErrorIs(t, <-failed, ring.ErrPeerDied)
			go func() {
				for _, err := range in.All(ctx) {
					failed <- err
				}
			}()
			runtime.Gosched()
			require.NoError(t, b.Close())
			require.ErrorIs(t, <-failed, ring.ErrClosed, "not the end of the stream: All says so")
			_, err = there.Reader()
			require.ErrorIs(t, err, shm.ErrClosed)
		})
	}
}

// What a pop returned was pushed, and what a push accepted is there, whenever the segment is closed.
func TestCloseDuringFastPathsInventsAndLosesNothing(t *testing.T) {
	for range 60 {
		s, err := shm.Anonymous(1 << 20)
		require.NoError(t, err)
		mine, theirs := again(t, s), again(t, s)
		r, err := ring.NewSPSC[uint64](s, 64)
		require.NoError(t, err)
		end := func(of *shm.Segment) *ring.SPSC[uint64] {
			r, err := ring.SPSCFrom[uint64](of, r.Ref())
			require.NoError(t, err)
			return r
		}
		w, err := end(mine).Writer()
		require.NoError(t, err)
		in, err := end(theirs).Reader()
		require.NoError(t, err)

		var pushed, popped uint64
		var wg sync.WaitGroup
		going := make(chan struct{})
		wg.Go(func() {
			for w.Push(t.Context(), pushed+1) == nil {
				if pushed++; pushed == 10 {
					close(going)
				}
			}
		})
		wg.Go(func() {
			for {
				v, err := in.Pop(t.Context())
				if err != nil {
					break
				}
				popped++
				require.Equal(t, popped, v)
			}
		})
		<-going
		require.NoError(t, mine.Close())
		// What the writer believes to have pushed arrives, and then the news of its death.
		wg.Wait()
		require.GreaterOrEqual(t, popped, pushed)
		require.LessOrEqual(t, popped, pushed+1, "the last push may have failed too late")
	}
	for range 60 {
		a, b := twins(t)
		r, err := ring.NewSPSC[uint64](a, 64)
		require.NoError(t, err)
		w, err := r.Writer()
		require.NoError(t, err)
		there, err := ring.SPSCFrom[uint64](b, r.Ref())
		require.NoError(t, err)
		in, err := there.Reader()
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := uint64(1); err == nil; i++ {
				err = w.Push(t.Context(), i)
			}
		})
		going := make(chan struct{})
		popped := uint64(0)
		wg.Go(func() {
			for {
				v, err := in.Pop(t.Context())
				if err != nil {
					require.ErrorIs(t, err, ring.ErrClosed)
					require.Zero(t, v)
					return
				}
				popped++
				require.Equal(t, popped, v)
				if popped == 10 {
					close(going)
				}
			}
		})
		<-going
		require.NoError(t, b.Close())
		wg.Wait()
		require.ErrorIs(t, err, ring.ErrPeerDied)
		position := r.Len() // what is left begins where the reader stopped, or one before it
		heir, err := r.Reader()
		require.NoError(t, err)
		if position > 0 {
			v, err := heir.Pop(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, v, popped+2)
			require.Greater(t, v, popped, "popped once")
		}
	}
}

// The same of records, and of a stream of bytes.
func TestCloseDuringCopiesOfBytesInventsAndLosesNothing(t *testing.T) {
	ends := func(t *testing.T, capacity int) (mine, theirs *shm.Segment, w *ring.BytesWriter, in *ring.BytesReader) {
		a, err := shm.Anonymous(8 << 20)
		require.NoError(t, err)
		mine, theirs = again(t, a), again(t, a)
		r, err := ring.NewBytes(mine, capacity)
		require.NoError(t, err)
		w, err = r.Writer()
		require.NoError(t, err)
		there, err := ring.BytesFrom(theirs, r.Ref())
		require.NoError(t, err)
		in, err = there.Reader()
		require.NoError(t, err)
		require.NoError(t, a.Close())
		return mine, theirs, w, in
	}
	t.Run("pushes", func(t *testing.T) {
		for lap := range 100 {
			mine, theirs, w, in := ends(t, 1000)
			record := bytes.Repeat([]byte{1}, 4096)
			pushed, popped := 0, 0
			going := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				push := func() (bool, error) { return true, w.Push(t.Context(), record) }
				if lap%2 == 1 {
					push = func() (bool, error) { return w.TryPush(record) }
				}
				for {
					ok, err := push()
					if err != nil {
						require.ErrorIs(t, err, ring.ErrClosed)
						return
					}
					if !ok {
						continue
					}
					if pushed++; pushed == 10 {
						close(going)
					}
				}
			})
			wg.Go(func() {
				for {
					got, err := in.Peek(t.Context())
					if err != nil {
						require.ErrorIs(t, err, ring.ErrPeerDied)
						return
					}
					require.Equal(t, record, got)
					in.Release()
					popped++
				}
			})
			<-going
			require.NoError(t, mine.Close())
			wg.Wait()
			require.GreaterOrEqual(t, popped, pushed)
			require.LessOrEqual(t, popped, pushed+1, "the last push may have failed too late")
			require.NoError(t, theirs.Close())
		}
	})
	t.Run("reads", func(t *testing.T) {
		for range 60 {
			mine, theirs, w, in := ends(t, 4<<20)
			record := bytes.Repeat([]byte{1}, 1<<20)
			for range 3 {
				require.NoError(t, w.Push(t.Context(), record))
			}
			going := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				s, got := in.Stream(t.Context()), make([]byte, 4<<20)
				close(going)
				for {
					n, err := s.Read(got)
					require.Negative(t, bytes.IndexByte(got[:n], 0), "of %d bytes that were read", n)
					if err != nil {
						require.ErrorIs(t, err, ring.ErrClosed)
						return
					}
				}
			})
			<-going
			require.NoError(t, theirs.Close())
			wg.Wait()
			require.NoError(t, mine.Close())
		}
	})
	t.Run("into a writer", func(t *testing.T) {
		_, theirs, w, in := ends(t, 1000)
		require.NoError(t, w.Push(t.Context(), []byte("hello")))
		n, err := in.Stream(t.Context()).WriteTo(taker(func(p []byte) (int, error) { return len(p), theirs.Close() }))
		require.ErrorIs(t, err, ring.ErrClosed)
		require.Zero(t, n)
	})
	t.Run("from a reader", func(t *testing.T) {
		mine, _, w, _ := ends(t, 1000)
		n, err := w.Stream(t.Context()).ReadFrom(giver(func(p []byte) (int, error) {
			require.NoError(t, mine.Close())
			return copy(p, "hello"), io.EOF
		}))
		require.ErrorIs(t, err, ring.ErrClosed)
		require.Zero(t, n)
	})
}

// taker and giver are a writer and a reader that are one function.
type (
	taker func([]byte) (int, error)
	giver func([]byte) (int, error)
)

func (f taker) Write(p []byte) (int, error) { return f(p) }
func (f giver) Read(p []byte) (int, error)  { return f(p) }

func TestSuccessorsOfBothEndsOfARingOfBytesGoOnWhereTheDeadOnesStopped(t *testing.T) {
	ctx := bounded(t)
	a, err := shm.Anonymous(1 << 20) // 400 attaches stay mapped until the test is over, in 32 bits, too
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	made, err := ring.NewBytes(a, 1000)
	require.NoError(t, err)
	pushed, popped := 0, 0
	for lap := range 200 { // through the ring several times
		mine, theirs := again(t, a), again(t, a)
		there, err := ring.BytesFrom(mine, made.Ref())
		require.NoError(t, err)
		w, err := there.Writer()
		require.NoError(t, err)
		there, err = ring.BytesFrom(theirs, made.Ref())
		require.NoError(t, err)
		in, err := there.Reader()
		require.NoError(t, err)
		for range 3 {
			p, err := w.Reserve(ctx, 700)
			require.NoError(t, err)
			w.Commit(copy(p, record(pushed, 300+pushed%400)))
			pushed++
		}
		_, err = w.Reserve(ctx, 500)
		require.NoError(t, err, "reserved and never committed")
		for range 3 - lap%2 + lap%4/3*2 {
			p, err := in.Peek(ctx)
			require.NoError(t, err)
			require.Equal(t, record(popped, 300+popped%400), p)
			in.Release()
			popped++
		}
		if popped < pushed {
			_, err = in.Peek(ctx)
			require.NoError(t, err, "seen and never released")
		}
		require.NoError(t, mine.Close())
		require.NoError(t, theirs.Close())
	}
}

// A writer that knows of room does not look at the reader before it pushes, but behind it.
func TestNoPushGoesIntoARingThatTheReaderClosed(t *testing.T) {
	pushes := map[string]func(w *ring.Writer[int]) error{
		"Push":    func(w *ring.Writer[int]) error { return w.Push(context.Background(), 2) },
		"TryPush": func(w *ring.Writer[int]) error { _, err := w.TryPush(2); return err },
		"PushN":   func(w *ring.Writer[int]) error { _, err := w.PushN(context.Background(), []int{2}); return err },
		"Reserve": func(w *ring.Writer[int]) error {
			_, err := w.Reserve(context.Background(), 1)
			if err == nil {
				w.Commit(1)
			}
			return err
		},
		"TryReserve": func(w *ring.Writer[int]) error {
			_, err := w.TryReserve(1)
			if err == nil {
				w.Commit(1)
			}
			return err
		},
	}
	for name, push := range pushes {
		t.Run(name, func(t *testing.T) {
			w, in := pipe[int](t, 8)
			for futex.Asymmetric && !futex.Registered() {
				runtime.Gosched() // from then on there are pushes that look at nothing
			}
			require.NoError(t, push(w))
			require.NoError(t, in.Close())
			for range 3 {
				require.ErrorIs(t, push(w), ring.ErrClosed)
			}
		})
	}
}
