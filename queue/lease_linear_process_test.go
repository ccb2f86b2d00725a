package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

const (
	outPut linear.Kind = iota + 1
	outLease
	outAck
	outNack
	outLen
	outLast // a lease when all others are gone, of a queue that is shut down
)

// Where a message of a queue with leases is.
const (
	inRing = iota
	isOut
	isBack
)

// outs is a queue with leases. That what a dead process had comes back is seen by nobody, so what is out may come again.
type outs struct {
	messages [2 * lineSlots]uint64
	where    [2 * lineSlots]uint8
	n        int
}

func (s outs) String() string { return fmt.Sprintf("%#x %v", s.messages[:s.n], s.where[:s.n]) }

func (s outs) count(where ...uint8) (n int) {
	for i := range s.n {
		for _, w := range where {
			if s.where[i] == w {
				n++
			}
		}
	}
	return n
}

// find is where a message is, or the first of those in one place.
func (s outs) find(is func(i int) bool) int {
	for i := range s.n {
		if is(i) {
			return i
		}
	}
	return -1
}

// first is what is handed out next, if nothing comes back.
func (s outs) first() int {
	if i := s.find(func(i int) bool { return s.where[i] == isBack }); i >= 0 {
		return i
	}
	return s.find(func(i int) bool { return s.where[i] == inRing })
}

// next reports whether the message may be handed out: what comes back while somebody chooses may come behind what he has chosen.
func (s outs) next(i int) bool {
	return s.where[i] == isBack || i == s.find(func(i int) bool { return s.where[i] == inRing })
}

func (s outs) move(i int, where uint8) outs {
	s.where[i] = where
	return s
}

func (s outs) remove(i int) outs {
	copy(s.messages[i:], s.messages[i+1:])
	copy(s.where[i:], s.where[i+1:])
	s.n--
	s.messages[s.n], s.where[s.n] = 0, 0
	return s
}

func outModel(capacity, bays int) linear.Model[outs] {
	return linear.Model[outs]{
		Kinds: []string{"", "put", "lease", "ack", "nack", "len", "last lease"},
		Step: func(s outs, op linear.Op) (next []outs) {
			cut := op.Fate != linear.Returned
			if !cut && op.Code == linear.TimedOut {
				return []outs{s}
			}
			switch op.Kind {
			case outPut:
				full := s.count(inRing) == capacity
				if !full && (cut || op.Code == linear.OK) {
					i := s.n
					s.messages[i], s.where[i] = op.Args[0], inRing
					s.n++
					return []outs{s}
				}
				if full && (cut || op.Code == linear.Refused) {
					return []outs{s}
				}
			case outLease, outLast:
				first := s.first()
				if cut {
					next = []outs{s}
					for i := range s.n {
						if s.next(i) {
							next = append(next, s.move(i, isOut))
						}
					}
					return next
				}
				switch op.Code {
				case linear.OK:
					i := s.find(func(i int) bool { return s.messages[i] == op.Outs[0] })
					if i >= 0 && (s.next(i) || s.where[i] == isOut) {
						return []outs{s.move(i, isOut)}
					}
				case linear.Refused:
					if first < 0 || s.count(isBack) == 0 && s.count(isOut) == bays {
						return []outs{s}
					}
				case linear.Closed:
					if s.n == 0 {
						return []outs{s}
					}
				}
			case outAck, outNack:
				i := s.find(func(i int) bool { return s.messages[i] == op.Args[0] })
				if i < 0 || s.where[i] != isOut {
					return nil
				}
				done := s.move(i, isBack)
				if op.Kind == outAck {
					done = s.remove(i)
				}
				if next = []outs{done}; cut {
					next = append(next, s)
				}
				return next
			case outLen:
				if n := op.Outs; cut || n[0] >= uint64(s.count(inRing, isBack)) && n[0] <= uint64(s.n) {
					return []outs{s}
				}
			}
			return nil
		},
	}
}

var outUser = linear.Func("queue_test.outUser", func(ctx context.Context, c *linear.Client, seg *shm.Segment, at queuer) error {
	q, err := queue.From[string](seg, at.Ref)
	if err != nil {
		return err
	}
	var held []queue.Lease[string]
	// The last ones are ended behind the time that there is, or come back with the end of the process.
	for ; c.More(); c.Pause() {
		switch kind := c.Rand.IntN(8); {
		case kind < 2:
			v := c.Unique()
			c.Invoke(outPut, v)
			ok, err := q.TryPut(textOf(v))
			if err := noteTry(c, ok, err); err != nil {
				return err
			}
		case kind < 5 && len(held) < 2:
			l, ok, err := leaseOf(ctx, c, q)
			if err != nil {
				return err
			}
			if ok {
				held = append(held, l)
			}
		case kind < 7 && len(held) > 0:
			i := c.Rand.IntN(len(held))
			if err := end(c, &held[i], c.Rand.IntN(2) == 0); err != nil {
				return err
			}
			held = append(held[:i], held[i+1:]...)
		case kind == 7:
			c.Invoke(outLen)
			c.Return(linear.OK, uint64(q.Len()))
		}
	}
	return nil
})

// leaseOf is one more lease, if there is a message before long.
func leaseOf(ctx context.Context, c *linear.Client, q *queue.Queue[string]) (queue.Lease[string], bool, error) {
	if !c.Waits() {
		return tryLease(c, q, outLease)
	}
	ctx, cancel := c.Patience(ctx)
	defer cancel()
	c.Invoke(outLease)
	l, err := q.Lease(ctx)
	if err != nil {
		return l, false, note(c, err)
	}
	n, err := ofText(l.Message)
	return l, true, errors.Join(err, note(c, nil, n))
}

func tryLease(c *linear.Client, q *queue.Queue[string], kind linear.Kind) (queue.Lease[string], bool, error) {
	c.Invoke(kind)
	l, ok, err := q.TryLease()
	if !ok || err != nil {
		return l, false, noteTry(c, ok, err)
	}
	n, err := ofText(l.Message)
	if err != nil {
		return l, false, err
	}
	return l, true, note(c, nil, n)
}

// end ends a lease, by Ack or Nack.
func end(c *linear.Client, l *queue.Lease[string], done bool) error {
	n, err := ofText(l.Message)
	if err != nil {
		return err
	}
	if done {
		c.Invoke(outAck, n)
		return note(c, l.Ack())
	}
	c.Invoke(outNack, n)
	return note(c, l.Nack())
}

func TestLeasesAreLinearizableWhileTheirUsersAreKilled(t *testing.T) {
	linear.Subject[queuer, outs]{
		Run: outUser, Processes: 3, Clients: 1, Kills: 3,
		New: func(seg *shm.Segment, r *rand.Rand) (at queuer, m linear.Model[outs], err error) {
			capacity := 1 + r.IntN(lineSlots)
			at.Ref, err = refOfNew[string](seg, capacity, []shm.ObjectOption{queue.Leases()})
			bays := 2
			for bays < capacity {
				bays *= 2
			}
			return at, outModel(capacity, bays), err
		},
		// Whatever is not done is there in the end.
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, at queuer) error {
			q, err := queue.From[string](seg, at.Ref)
			if err != nil {
				return err
			}
			if err := errors.Join(sweep(seg), q.Shutdown()); err != nil {
				return err
			}
			for range 2*lineSlots + 1 {
				l, ok, err := tryLease(c, q, outLast)
				if err != nil {
					return err
				}
				if ok {
					if err := end(c, &l, true); err != nil {
						return err
					}
				}
			}
			if n := q.Len(); n != 0 {
				return fmt.Errorf("%d messages are left", n)
			}
			return nil
		},
	}.Verify(t)
}
