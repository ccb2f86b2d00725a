package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

const (
	linePut linear.Kind = iota + 1
	lineTryPut
	lineGet
	lineTryGet
	lineLen
	lineShutdown
)

const lineSlots = 8

// line is a queue: who comes first is served first.
type line struct {
	messages [lineSlots]uint64
	n        int
	shut     bool
}

func (s line) String() string { return fmt.Sprintf("shut %v, %#x", s.shut, s.messages[:s.n]) }

func (s line) put(v uint64) line {
	s.messages[s.n] = v
	s.n++
	return s
}

func (s line) get() line {
	copy(s.messages[:], s.messages[1:])
	s.messages[lineSlots-1] = 0
	s.n--
	return s
}

func lineModel(capacity int) linear.Model[line] {
	return linear.Model[line]{
		Kinds: []string{"", "put", "try put", "get", "try get", "len", "shut down"},
		Step: func(s line, op linear.Op) (next []line) {
			cut := op.Fate != linear.Returned
			if !cut && op.Code == linear.TimedOut {
				return []line{s} // it may have waited for one who was stopped
			}
			switch op.Kind {
			case lineShutdown:
				if cut || op.Code == linear.OK {
					s.shut = true
					return []line{s}
				}
			case linePut, lineTryPut:
				switch {
				case s.shut:
					if cut || op.Code == linear.Closed {
						return []line{s}
					}
				case s.n < capacity && (cut || op.Code == linear.OK):
					return []line{s.put(op.Args[0])}
				case s.n == capacity && op.Kind == lineTryPut && (cut || op.Code == linear.Refused):
					return []line{s}
				}
			case lineGet, lineTryGet:
				switch {
				case s.n > 0:
					if cut || op.Code == linear.OK && op.Outs[0] == s.messages[0] {
						return []line{s.get()}
					}
				case s.shut:
					if cut || op.Code == linear.Closed {
						return []line{s}
					}
				case op.Kind == lineTryGet && (cut || op.Code == linear.Refused):
					return []line{s}
				}
			case lineLen:
				if cut || op.Outs[0] == uint64(s.n) {
					return []line{s}
				}
			}
			return nil
		},
	}
}

// queuer says which queue it is: one of words, or one of texts.
type queuer struct {
	Ref   shm.Ref
	Texts bool
}

var lineUser = linear.Func("queue_test.lineUser", func(ctx context.Context, c *linear.Client, seg *shm.Segment, at queuer) error {
	if at.Texts {
		return useLine(ctx, c, seg, at.Ref, textOf, ofText)
	}
	return useLine(ctx, c, seg, at.Ref, wordOf, ofWord)
})

func wordOf(v uint64) uint64          { return v }
func ofWord(v uint64) (uint64, error) { return v, nil }

// textOf has several lengths, some of which are too long for a slot.
func textOf(v uint64) string { return strconv.FormatUint(v, 10) + strings.Repeat("-", int(v%4*50)) }

func ofText(s string) (uint64, error) {
	v, err := strconv.ParseUint(strings.TrimRight(s, "-"), 10, 64)
	if err == nil && textOf(v) != s {
		err = fmt.Errorf("torn: %q", s)
	}
	return v, err
}

func useLine[T any](ctx context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref, to func(uint64) T, of func(T) (uint64, error)) error {
	q, err := queue.From[T](seg, ref)
	if err != nil {
		return err
	}
	for ; c.More(); c.Pause() {
		ctx, cancel := c.Patience(ctx)
		switch kind := c.Rand.IntN(9); {
		case kind < 3:
			v := c.Unique()
			c.Invoke(linePut, v)
			err = note(c, q.Put(ctx, to(v)))
		case kind == 3:
			v := c.Unique()
			c.Invoke(lineTryPut, v)
			ok, putErr := q.TryPut(to(v))
			err = noteTry(c, ok, putErr)
		case kind < 6 && c.Waits():
			c.Invoke(lineGet)
			v, getErr := q.Get(ctx)
			err = noteMessage(c, true, getErr, v, of)
		case kind < 8:
			err = tryGet(c, q, of)
		default:
			c.Invoke(lineLen)
			c.Return(linear.OK, uint64(q.Len()))
		}
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func tryGet[T any](c *linear.Client, q *queue.Queue[T], of func(T) (uint64, error)) error {
	c.Invoke(lineTryGet)
	v, ok, err := q.TryGet()
	return noteMessage(c, ok, err, v, of)
}

func noteMessage[T any](c *linear.Client, ok bool, err error, v T, of func(T) (uint64, error)) error {
	if !ok || err != nil {
		return noteTry(c, ok, err)
	}
	n, err := of(v)
	if err != nil {
		return err
	}
	return note(c, nil, n)
}

// note records what came of a call, and returns err if that should not have come.
func note(c *linear.Client, err error, outs ...uint64) error {
	switch {
	case err == nil:
		c.Return(linear.OK, outs...)
	case errors.Is(err, queue.ErrShutDown):
		c.Return(linear.Closed)
	case linear.Over(err), errors.Is(err, queue.ErrBusy):
		c.Return(linear.TimedOut)
	default:
		return err
	}
	return nil
}

// noteTry is note for calls that do not wait.
func noteTry(c *linear.Client, got bool, err error) error {
	if !got && err == nil {
		c.Return(linear.Refused)
		return nil
	}
	return note(c, err)
}

func TestAQueueIsLinearizableWhileItsUsersAreKilled(t *testing.T) {
	linear.Subject[queuer, line]{
		Run: lineUser, Processes: 4, Clients: 1, Kills: 3,
		New: func(seg *shm.Segment, r *rand.Rand) (at queuer, m linear.Model[line], err error) {
			capacity := 1 + r.IntN(lineSlots)
			var opts []shm.ObjectOption
			if r.IntN(2) == 0 {
				opts = append(opts, queue.Joinable())
			}
			if at.Texts = r.IntN(2) == 0; at.Texts {
				at.Ref, err = refOfNew[string](seg, capacity, opts)
			} else {
				at.Ref, err = refOfNew[uint64](seg, capacity, opts)
			}
			return at, lineModel(capacity), err
		},
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, at queuer) error {
			if at.Texts {
				return finishLine(c, seg, at.Ref, ofText)
			}
			return finishLine(c, seg, at.Ref, ofWord)
		},
	}.Verify(t)
}

func refOfNew[T any](seg *shm.Segment, capacity int, opts []shm.ObjectOption) (shm.Ref, error) {
	q, err := queue.New[T](seg, capacity, opts...)
	if err != nil {
		return shm.Ref{}, err
	}
	return q.Ref(), nil
}

// finishLine shuts the queue down, counts what is in it, takes it, and looks whether anything is left.
func finishLine[T any](c *linear.Client, seg *shm.Segment, ref shm.Ref, of func(T) (uint64, error)) error {
	q, err := queue.From[T](seg, ref)
	if err != nil {
		return err
	}
	c.Invoke(lineShutdown)
	if err := note(c, q.Shutdown()); err != nil {
		return err
	}
	n := q.Len()
	for range n + 1 {
		c.Invoke(lineLen)
		c.Return(linear.OK, uint64(q.Len()))
		if err := tryGet(c, q, of); err != nil {
			return err
		}
	}
	if err := sweep(seg); err != nil {
		return err
	}
	if blocks := seg.Stats().Blocks; blocks > 3 { // one for each who died before he committed, at most
		return fmt.Errorf("%d blocks are left", blocks)
	}
	return nil
}
