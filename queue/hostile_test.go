package queue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// memory is that of a queue of strings: the object, and the box of its first message.
func memory(t *testing.T, seg *shm.Segment) (parts [][]byte) {
	t.Helper()
	require.NoError(t, seg.Engine().Objects(func(o segment.Object, _ string) bool {
		parts = append(parts, o.Bytes())
		return true
	}))
	const slots = 768 + 4*64
	b, err := seg.Block(segment.RefAt(seg.Engine(), binary.LittleEndian.Uint64(parts[0][slots+8:])))
	require.NoError(t, err)
	return append(parts, b.Bytes()[:16])
}

// Whatever byte of a queue is another one, each call says at once what is there, or what is wrong.
func TestAQueueOfWhichAnyByteIsOverwritten(t *testing.T) {
	right := func(err error) {
		for _, may := range []error{
			nil, shm.ErrCorrupt, shm.ErrNoSpace, queue.ErrShutDown, queue.ErrBusy, queue.ErrFull, queue.ErrDone, queue.ErrNotJoinable, queue.ErrAbandoned,
			queue.ErrTooLarge, shm.ErrStale, shm.ErrInUse, context.Canceled, context.DeadlineExceeded, sync.ErrNotRecoverable, sync.ErrNotHeld,
		} {
			if errors.Is(err, may) {
				return
			}
		}
		require.NoError(t, err)
	}
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	for part := 0; ; part++ {
		for at := 0; ; at++ {
			seg, err := shm.Anonymous(1<<16, shm.Participants(4))
			require.NoError(t, err)
			q, err := queue.New[string](seg, 3, queue.Joinable(), shm.Named("q"))
			require.NoError(t, err)
			_, err = q.PutMany(soon(), []string{strings.Repeat("one", 50), "two"})
			require.NoError(t, err)
			parts := memory(t, seg)
			if part == len(parts) || at == len(parts[part]) {
				require.NoError(t, seg.Close())
				if part == len(parts) {
					return
				}
				break
			}
			parts[part][at] ^= byte(1 << (at % 8))
			other := again(t, seg)
			if q, err = queue.Open[string](other, "q"); err == nil {
				q.Len()
				_, err = q.Get(soon())
				right(err)
				_, err = q.TryPut(strings.Repeat("three", 50))
				right(err)
				right(q.Done())
				_, _, err = q.TryGet()
				right(err)
				right(q.Join(over()))
				right(q.Put(soon(), "four"))
				_, err = q.GetMany(over(), make([]string, 3))
			}
			right(err)
			require.NoError(t, other.Close())
			require.NoError(t, seg.Close())
		}
	}
}
