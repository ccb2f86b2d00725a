package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// span is some numbers of an array, which stay where they are.
type span struct {
	Of       *state.Array[int64]
	From, To int
}

var negate = pool.Task("negate", func(_ context.Context, s span) (sum int64, err error) {
	for i := s.From; i < s.To && err == nil; i++ {
		err = s.Of.Update(context.Background(), i, func(n *int64) error {
			*n = -*n
			sum += *n
			return nil
		})
	}
	return sum, err
})

var sizeOf = pool.Task("sizeOf", func(ctx context.Context, ref shm.Ref) (int, error) {
	seg, err := proc.Segment(ctx, ref)
	if err != nil {
		return 0, err
	}
	a, err := state.ArrayFrom[int64](seg, ref)
	if err != nil {
		return 0, err
	}
	return a.Len(), nil
})

func TestTasksWorkOnWhatTheyShareWithoutACopy(t *testing.T) {
	const n = 100
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			a, err := state.NewArray[int64](seg, n)
			require.NoError(t, err)
			for i := range n {
				require.NoError(t, a.Store(i, 1))
			}
			ctx, p := testContext(t), newPool(t, 2, append(opts, pool.Process(proc.Share(seg)))...)
			halves := func(yield func(span) bool) { _ = yield(span{a, 0, n / 2}) && yield(span{a, n / 2, n}) }
			for sum, err := range negate.Map(ctx, p, halves) {
				require.NoError(t, err)
				require.EqualValues(t, -n/2, sum)
			}
			for i := range n {
				got, err := a.Load(i)
				require.NoError(t, err)
				require.EqualValues(t, -1, got)
			}
			size, err := sizeOf.Call(ctx, p, a.Ref())
			require.NoError(t, err)
			require.Equal(t, n, size)
		})
	}
}

// say sends through a pipe, of which the worker has a handle of its own.
var say = pool.Task("say through a pipe", func(ctx context.Context, p *queue.Pipe[string, int]) (int, error) {
	return 0, errors.Join(p.Send(ctx, "said by a task"), p.Close())
})

func TestTasksTakeEndsOfPipes(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			var d diary
			ctx, p := testContext(t), newPool(t, 1, append(opts, pool.Process(proc.Share(seg)), d.option())...)
			here, there, err := queue.NewPipe[int, string](seg, 8)
			require.NoError(t, err)
			for range 3 {
				_, err = say.Call(ctx, p, there)
				require.NoError(t, err)
				v, err := here.Recv(ctx)
				require.NoError(t, err)
				require.Equal(t, "said by a task", v)
			}
			require.NoError(t, there.Close())
			_, err = say.Call(ctx, p, there)
			require.ErrorIs(t, err, queue.ErrClosed)
			_, err = here.Recv(ctx)
			require.Equal(t, io.EOF, err)
			require.NoError(t, here.Close())
		})
	}
}

var (
	// tell writes into the first file what its context has.
	tell = pool.Task("tell what was given", func(ctx context.Context, _ int) (int, error) {
		files := 0
		for ; proc.File(ctx, files) != nil; files++ {
			if once, again := proc.File(ctx, files), proc.File(ctx, files); once != again {
				return 0, fmt.Errorf("file %d changes", files)
			}
		}
		said := fmt.Sprint(files, " files, segments")
		for _, s := range proc.Segments(ctx) {
			said += fmt.Sprintf(" %016x", s.ID())
		}
		return fmt.Fprintln(proc.File(ctx, 0), said)
	})

	// tellNested has another worker tell.
	tellNested = pool.Task("have tell what was given", func(ctx context.Context, _ int) (int, error) {
		return tell.Call(ctx, pool.Current(ctx), 0)
	})

	closeAll = pool.Task("close all segments", func(ctx context.Context, _ int) (n int, err error) {
		for _, s := range proc.Segments(ctx) {
			n++
			err = errors.Join(err, s.Close())
		}
		return n, err
	})
)

// twoSegments are what a pool is given.
func twoSegments(t *testing.T) (first, second *shm.Segment) {
	var made [2]*shm.Segment
	for i := range made {
		s, err := shm.Anonymous(1 << 20)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		made[i] = s
	}
	return made[0], made[1]
}

func TestTasksFindWhatThePoolsUserGaveAndNothingElse(t *testing.T) {
	first, second := twoSegments(t)
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			says, err := os.CreateTemp(t.TempDir(), "")
			require.NoError(t, err)
			defer says.Close()
			other, err := os.Open(os.DevNull)
			require.NoError(t, err)
			defer other.Close()
			ctx, p := testContext(t), newPool(t, 1, append(opts,
				pool.Process(proc.Share(first, second), proc.Files(says)), pool.Process(proc.Share(first), proc.Files(other)),
				pool.Initializer(tell, 0), pool.Finalizer(tell, 0))...)
			_, err = tell.Call(ctx, p, 0)
			require.NoError(t, err)
			_, err = tell.MapSlice(ctx, p, []int{1, 2, 3}, pool.Chunk(2))
			require.NoError(t, err)
			_, err = tellNested.Call(ctx, p, 0)
			require.NoError(t, err)
			shutDown(t, p)

			said, err := os.ReadFile(says.Name())
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSpace(string(said)), "\n")
			require.Len(t, lines, 1+4+2+2, "two workers, each with an initializer and a finalizer, and the calls")
			for _, line := range lines {
				require.Equal(t, fmt.Sprintf("2 files, segments %016x %016x", first.ID(), second.ID()), line)
			}
			_, err = other.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err, "it is open")
		})
	}
}

func TestTasksOfAPoolThatWasGivenNothingFindNothing(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			n, err := closeAll.Call(testContext(t), newPool(t, 1, opts...), 0)
			require.NoError(t, err)
			require.Zero(t, n)
		})
	}
}

func TestTaskThatClosesItsSegmentsKeepsItsWorker(t *testing.T) {
	first, second := twoSegments(t)
	p := newPool(t, 1, pool.Process(proc.Share(first, second)))
	before := pids(p)
	n, err := closeAll.Call(testContext(t), p, 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	requireWorks(t, p)
	require.Equal(t, before, pids(p))
}
