package ring_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

const (
	takeWriter linear.Kind = iota + 1
	takeReader
	closeWriter
	closeReader
	push
	tryPush
	pop
	tryPop
)

const mostSlots = 32

// fifo is a ring of values, in words.
type fifo struct {
	writer, reader heldEnd
	values         [mostSlots]uint64
	n              int
}

func (s fifo) String() string {
	return fmt.Sprintf("writer %+v, reader %+v, values %#x", s.writer, s.reader, s.values[:s.n])
}

func fifoModel(capacity int) linear.Model[fifo] {
	return linear.Model[fifo]{
		Kinds: []string{"", "take writer", "take reader", "close writer", "close reader", "push", "try push", "pop", "try pop"},
		Step: func(s fifo, op linear.Op) []fifo {
			ok := false
			switch op.Kind {
			case takeWriter:
				s.writer, ok = s.writer.take(op)
			case takeReader:
				s.reader, ok = s.reader.take(op)
			case closeWriter:
				s.writer, ok = s.writer.shut(op)
			case closeReader:
				s.reader, ok = s.reader.shut(op)
			case push, tryPush:
				s, ok = s.push(op, capacity)
			case pop, tryPop:
				s, ok = s.pop(op)
			}
			if !ok {
				return nil
			}
			return []fifo{s}
		},
		Die: func(s fifo, process int) fifo {
			s.writer.die(process)
			s.reader.die(process)
			return s
		},
	}
}

func (s fifo) push(op linear.Op, capacity int) (fifo, bool) {
	cut, full := op.Fate != linear.Returned, s.n == capacity
	switch {
	case !s.writer.of(op):
		return s, false
	case !full && !s.reader.closed && (cut || op.Code == linear.OK):
		s.values[s.n] = op.Args[0]
		s.n++
		return s, true
	case full && op.Kind == push && s.reader.orphaned() && (cut || op.Code == linear.PeerDied):
		s.reader = heldEnd{}
		return s, true
	case cut:
		return s, false
	case s.reader.closed:
		return s, op.Code == linear.Closed
	}
	return s, full && (op.Code == linear.Refused || op.Code == linear.TimedOut)
}

func (s fifo) pop(op linear.Op) (fifo, bool) {
	cut, empty := op.Fate != linear.Returned, s.n == 0
	switch {
	case !s.reader.of(op):
		return s, false
	case !empty && (cut || op.Code == linear.OK && op.Outs[0] == s.values[0]):
		copy(s.values[:], s.values[1:])
		s.values[mostSlots-1] = 0
		s.n--
		return s, true
	case empty && op.Kind == pop && s.writer.orphaned() && (cut || op.Code == linear.PeerDied):
		s.writer = heldEnd{}
		return s, true
	case cut || !empty:
		return s, false
	case s.writer.closed:
		return s, op.Code == linear.Closed
	}
	return s, op.Code == linear.Refused || op.Code == linear.TimedOut
}

// triple is a value that shows whether it is whole.
type triple struct{ A, B, C uint64 }

func tripleOf(v uint64) triple { return triple{v, ^v, v * 0x9e3779b97f4a7c15} }

// word is what stands for the value in a record: nothing that was ever pushed, if it is not whole.
func (v triple) word() uint64 {
	if v != tripleOf(v.A) {
		return 0
	}
	return v.A
}

// ender takes one end of a ring, the writer's or the reader's as its process's number says, when it
// can, and uses it.
var ender = linear.Func("ender", func(ctx context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	r, err := ring.SPSCFrom[triple](seg, ref)
	if err != nil {
		return err
	}
	if c.Process%2 == 0 {
		return writeValues(ctx, c, r)
	}
	return readValues(ctx, c, r)
})

func writeValues(ctx context.Context, c *linear.Client, r *ring.SPSC[triple]) error {
	w, err := takeEnd(c, takeWriter, r.Writer)
	if err != nil || w == nil {
		return err
	}
	for ; c.More(); c.Pause() {
		v := c.Unique()
		if !c.Waits() {
			c.Invoke(tryPush, v)
			ok, err := w.TryPush(tripleOf(v))
			if _, err := noteTry(c, ok, err); err != nil {
				return err
			}
			continue
		}
		ctx, cancel := c.Patience(ctx)
		c.Invoke(push, v)
		_, err := note(c, w.Push(ctx, tripleOf(v)))
		if cancel(); err != nil {
			return err
		}
	}
	return nil
}

func readValues(ctx context.Context, c *linear.Client, r *ring.SPSC[triple]) error {
	in, err := takeEnd(c, takeReader, r.Reader)
	if err != nil || in == nil {
		return err
	}
	for ; c.More(); c.Pause() {
		if !c.Waits() {
			if _, err := tryPopNoted(c, in); err != nil {
				return err
			}
			continue
		}
		ctx, cancel := c.Patience(ctx)
		c.Invoke(pop)
		v, err := in.Pop(ctx)
		_, err = note(c, err, v.word())
		if cancel(); err != nil {
			return err
		}
	}
	return nil
}

func tryPopNoted(c *linear.Client, in *ring.Reader[triple]) (linear.Code, error) {
	c.Invoke(tryPop)
	v, ok, err := in.TryPop()
	return noteTry(c, ok, err, v.word())
}

// takeEnd takes an end as soon as nobody has it, or returns nil if there is no time left for more.
func takeEnd[E any](c *linear.Client, kind linear.Kind, take func(...ring.EndOption) (*E, error)) (*E, error) {
	for c.More() {
		c.Invoke(kind)
		e, err := take(ring.Waiting([]ring.Policy{ring.Adaptive, ring.Spin, ring.Park}[c.Rand.IntN(3)]))
		switch code, err := note(c, err); {
		case err != nil:
			return nil, err
		case code == linear.OK:
			return e, nil
		}
		c.Rest()
	}
	return nil, nil
}

func TestSPSCIsLinearizableWhileItsEndsAreKilled(t *testing.T) {
	linear.Subject[shm.Ref, fifo]{
		Run: ender, Processes: 4, Clients: 1, Kills: 3,
		New: func(seg *shm.Segment, rnd *rand.Rand) (shm.Ref, linear.Model[fifo], error) {
			capacity := 1 + rnd.IntN(4) // mostly full, or empty
			if rnd.IntN(2) == 0 {
				capacity += rnd.IntN(mostSlots - 4)
			}
			m := fifoModel(capacity)
			r, err := ring.NewSPSC[triple](seg, capacity)
			if err != nil {
				return shm.Ref{}, m, err
			}
			return r.Ref(), m, nil
		},
		Finish: finishValues,
	}.Verify(t)
}

// takeAtLast is takeEnd when all that had the end are gone.
func takeAtLast[E any](c *linear.Client, kind linear.Kind, take func(...ring.EndOption) (*E, error)) (*E, error) {
	e, err := takeEnd(c, kind, take)
	if err == nil && e == nil {
		err = errors.New("the end is never free")
	}
	return e, err
}

// finishValues reads what is left, and closes both ends.
func finishValues(_ context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	r, err := ring.SPSCFrom[triple](seg, ref)
	if err != nil {
		return err
	}
	in, err := takeAtLast(c, takeReader, r.Reader)
	if err != nil {
		return err
	}
	if err := drain(func() (linear.Code, error) { return tryPopNoted(c, in) }, linear.Refused); err != nil {
		return err
	}
	w, err := takeAtLast(c, takeWriter, r.Writer)
	if err != nil {
		return err
	}
	v := c.Unique()
	c.Invoke(tryPush, v)
	ok, err := w.TryPush(tripleOf(v))
	if _, err = noteTry(c, ok, err); err != nil {
		return err
	}
	c.Invoke(closeWriter)
	if _, err := note(c, w.Close()); err != nil {
		return err
	}
	if err := drain(func() (linear.Code, error) { return tryPopNoted(c, in) }, linear.Closed); err != nil {
		return err
	}
	c.Invoke(closeReader)
	_, err = note(c, in.Close())
	return err
}

// drain takes until there is nothing left, which last says.
func drain(take func() (linear.Code, error), last linear.Code) error {
	for range 1000 {
		switch code, err := take(); {
		case err != nil:
			return err
		case code == last:
			return nil
		}
	}
	return fmt.Errorf("there is always something left, and no %v", last)
}
