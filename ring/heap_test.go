package ring_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
)

// What is in Go's heap may be handed over by what is in shared memory, which the race detector does not
// see: under it, these tests fail if it is not told.

// lane hands numbers over, by a ring of either kind.
type lane struct {
	send  func(ctx context.Context, i byte) error
	take  func(ctx context.Context) (byte, error)
	try   func() (byte, bool, error)
	close func() error
}

func valueLane(t *testing.T, capacity int) lane {
	w, in := pipe[byte](t, capacity)
	return lane{w.Push, in.Pop, in.TryPop, w.Close}
}

func recordLane(t *testing.T, _ int) lane {
	w, in, _ := bytesPipe(t, 1)
	first := func(b []byte, err error) (byte, bool, error) {
		if b == nil {
			return 0, false, err
		}
		i := b[0]
		in.Release()
		return i, true, nil
	}
	return lane{
		send: func(ctx context.Context, i byte) error {
			b, err := w.Reserve(ctx, 1)
			if err == nil {
				b[0] = i
				w.Commit(1)
			}
			return err
		},
		take:  func(ctx context.Context) (byte, error) { i, _, err := first(in.Peek(ctx)); return i, err },
		try:   func() (byte, bool, error) { return first(in.TryPeek()) },
		close: w.Close,
	}
}

func TestRingsHandOverWhatIsInTheHeap(t *testing.T) {
	for name, newLane := range map[string]func(*testing.T, int) lane{"values": valueLane, "records": recordLane} {
		t.Run(name, func(t *testing.T) {
			ctx, theirs := bounded(t), bounded(t) // one for both would order what they do
			const boxes, n = 5, 3000
			there, back := newLane(t, boxes), newLane(t, boxes)
			var box [boxes]string
			var last string
			done := make(chan error, 1)
			go func() {
				for i := range n {
					k := byte(i % boxes)
					if i >= boxes {
						var err error
						if k, err = back.take(theirs); err != nil {
							done <- err
							return
						}
					}
					box[k] += "."
					if err := there.send(theirs, k); err != nil {
						done <- err
						return
					}
				}
				last = "the end"
				done <- there.close()
			}()
			total := 0
			for {
				k, ok, err := there.try()
				if !ok && err == nil {
					k, err = there.take(ctx)
				}
				if err != nil {
					require.ErrorIs(t, err, ring.ErrClosed)
					break
				}
				total += len(box[k])
				box[k] = ""
				require.NoError(t, back.send(ctx, k))
			}
			require.Equal(t, n, total)
			require.Equal(t, "the end", last, "written before Close")
			require.NoError(t, <-done)
		})
	}
}

// A push that found room comes behind the pop that made it.
func TestRoomInARingOrdersWhatIsInTheHeap(t *testing.T) {
	ctx, theirs := bounded(t), bounded(t)
	const capacity, n = 3, 3000
	w, in := pipe[int](t, capacity)
	var box [capacity + 2]int // the reader has looked into one when it has popped the next
	done := make(chan error, 1)
	go func() {
		for i := range n {
			box[i%len(box)] = i
			if err := w.Push(theirs, i); err != nil {
				done <- err
				return
			}
		}
		done <- w.Close()
	}()
	for i, err := range in.All(ctx) {
		require.NoError(t, err)
		require.Equal(t, i, box[i%len(box)])
	}
	require.NoError(t, <-done)
}
