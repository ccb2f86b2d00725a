//go:build linux || darwin

package proc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

type produceArgs struct {
	Ring  shm.Ref
	Count int
	Depth int // how many processes to pass the work on to
}

// produce writes numbers to a ring, or has a child of its own do it.
var produce *proc.Function[produceArgs]

func init() {
	produce = proc.Func("produce", func(ctx context.Context, args produceArgs) error {
		seg, err := proc.Segment(ctx, args.Ring)
		if err != nil {
			return err
		}
		if args.Depth > 0 {
			args.Depth--
			p, err := produce.Start(ctx, args, proc.Share(proc.Segments(ctx)...))
			if err != nil {
				return err
			}
			return p.Wait(ctx)
		}
		numbers, err := ring.SPSCFrom[int64](seg, args.Ring)
		if err != nil {
			return err
		}
		w, err := numbers.Writer()
		if err != nil {
			return err
		}
		for i := range args.Count {
			if err := w.Push(ctx, int64(i)); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

// hold takes a lock, says so, and never gives it back.
var hold = proc.Func("hold", func(ctx context.Context, lock shm.Ref) error {
	seg, err := proc.Segment(ctx, lock)
	if err != nil {
		return err
	}
	mu, err := sync.MutexFrom(seg, lock)
	if err != nil {
		return err
	}
	if err := mu.Lock(ctx); err != nil {
		return err
	}
	fmt.Fprintln(proc.File(ctx, 0), os.Getpid())
	blockForEver()
	return nil
})

var lookFor = proc.Func("lookFor", func(ctx context.Context, ref shm.Ref) error {
	_, err := proc.Segment(ctx, ref)
	if !errors.Is(err, shm.ErrNotExist) {
		return fmt.Errorf("unexpected: %w", err)
	}
	return nil
})

func segment(t testing.TB) *shm.Segment {
	s, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestSharedSegments(t *testing.T) {
	for _, depth := range []int{0, 2} {
		t.Run(fmt.Sprint("depth ", depth), func(t *testing.T) {
			ctx := testContext(t)
			other, seg := segment(t), segment(t)
			numbers, err := ring.NewSPSC[int64](seg, 64)
			require.NoError(t, err)
			reader, err := numbers.Reader()
			require.NoError(t, err)
			const n = 1000
			p, err := produce.Start(ctx, produceArgs{numbers.Ref(), n, depth},
				proc.Share(other, seg), proc.Share(seg), proc.Files(tempFile(t, "")))
			require.NoError(t, err)
			for i := range n {
				got, err := reader.Pop(ctx)
				require.NoError(t, err)
				require.EqualValues(t, i, got)
			}
			require.NoError(t, p.Wait(ctx))
			require.NoError(t, reader.Close())
		})
	}
}

func TestLockOfKilledChildIsRecovered(t *testing.T) {
	ctx := testContext(t)
	seg := segment(t)
	mu, err := sync.NewMutex(seg)
	require.NoError(t, err)
	r, w := pipe(t)
	p, err := hold.Start(ctx, mu.Ref(), proc.Share(seg), proc.Files(w))
	require.NoError(t, err)
	_, err = r.Read(make([]byte, 1)) // it holds the lock
	require.NoError(t, err)
	locked, err := mu.TryLock()
	require.NoError(t, err)
	require.False(t, locked)
	require.NoError(t, p.Kill())
	require.ErrorIs(t, mu.Lock(ctx), shm.ErrOwnerDied)
	require.NoError(t, mu.MarkConsistent())
	require.NoError(t, mu.Unlock())
	require.NoError(t, p.Close())
}

func TestSegmentsThatCannotBeShared(t *testing.T) {
	ctx := testContext(t)
	seg := segment(t)
	mu, err := sync.NewMutex(seg)
	require.NoError(t, err)

	p, err := lookFor.Start(ctx, mu.Ref())
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))

	_, err = fail.Start(ctx, "", proc.Share(nil))
	require.ErrorIs(t, err, proc.ErrOption)

	closed, err := shm.Anonymous(4096)
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	_, err = fail.Start(ctx, "", proc.Share(closed))
	require.ErrorIs(t, err, shm.ErrClosed)

	full, err := shm.Anonymous(4096, shm.Participants(1))
	require.NoError(t, err)
	defer full.Close()
	_, err = fail.Start(ctx, "", proc.Share(full))
	require.ErrorContains(t, err, "in the child: ")
	require.ErrorContains(t, err, shm.ErrFull.Error())
}
