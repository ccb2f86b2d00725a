package ring_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

const (
	bagPush linear.Kind = iota + 1
	bagPop
	bagTryPop
	bagClose
)

const (
	bagProcesses = 12
	bagSlots     = 8
)

// bag is a ring of any number of ends: a queue for each process that pushes.
type bag struct {
	queues [bagProcesses][bagSlots]uint64
	n      [bagProcesses]int
	all    int
	closed bool
}

func (s bag) String() string {
	text := fmt.Sprintf("closed %v", s.closed)
	for p, n := range s.n {
		if n > 0 {
			text += fmt.Sprintf(", of process %d %#x", p, s.queues[p][:n])
		}
	}
	return text
}

func (s bag) less(process int) bag {
	q := &s.queues[process]
	copy(q[:], q[1:])
	q[bagSlots-1] = 0
	s.n[process]--
	s.all--
	return s
}

// bagModel is of a ring of that capacity. Where heads have biases, a process that is killed in the middle of a pop keeps
// values from others until its death is proven.
func bagModel(capacity int, biases bool) linear.Model[bag] {
	return linear.Model[bag]{
		Kinds: []string{"", "push", "pop", "try pop", "close"},
		Step: func(s bag, op linear.Op) (next []bag) {
			cut := op.Fate != linear.Returned
			switch op.Kind {
			case bagClose:
				if s.closed && !cut && op.Code == linear.Closed {
					return []bag{s}
				}
				if !s.closed && (cut || op.Code == linear.OK) {
					s.closed = true
					return []bag{s}
				}
			case bagPush:
				switch {
				case s.closed:
					if !cut && op.Code == linear.Closed {
						return []bag{s}
					}
				case s.all < capacity && (cut || op.Code == linear.OK):
					s.queues[op.Process][s.n[op.Process]] = op.Args[0]
					s.n[op.Process]++
					s.all++
					return []bag{s}
				case !cut && op.Code == linear.TimedOut: // another may have been stopped while it pushed
					return []bag{s}
				}
			case bagPop, bagTryPop:
				if biases && s.all > 0 && !cut && (op.Code == linear.TimedOut || op.Code == linear.Refused) {
					return []bag{s}
				}
				if s.all == 0 && !cut {
					if s.closed == (op.Code == linear.Closed) && op.Code != linear.OK {
						return []bag{s}
					}
					return nil
				}
				for p, n := range s.n {
					if n > 0 && (cut || op.Code == linear.OK && op.Outs[0] == s.queues[p][0]) {
						next = append(next, s.less(p))
					}
				}
			}
			return next
		},
	}
}

var bagger = linear.Func("bagger", bagging)

// plainBagger is a bagger in a process in which heads get no biases.
var plainBagger = linear.Func("plain bagger", func(ctx context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	ring.NoHolds()
	return bagging(ctx, c, seg, ref)
})

func bagging(ctx context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	m, err := ring.MPMCFrom[triple](seg, ref)
	if err != nil {
		return err
	}
	for ; c.More(); c.Pause() {
		switch {
		case c.Rand.IntN(2) == 0:
			ctx, cancel := c.Patience(ctx)
			v := c.Unique()
			c.Invoke(bagPush, v)
			_, err = note(c, m.Push(ctx, tripleOf(v)))
			cancel()
		case c.Waits():
			ctx, cancel := c.Patience(ctx)
			c.Invoke(bagPop)
			var v triple
			v, err = m.Pop(ctx)
			_, err = note(c, err, v.word())
			cancel()
		default:
			_, err = tryPopBag(c, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func tryPopBag(c *linear.Client, m *ring.MPMC[triple]) (linear.Code, error) {
	c.Invoke(bagTryPop)
	v, ok, err := m.TryPop()
	return noteTry(c, ok, err, v.word())
}

func TestMPMCIsLinearizableWhileItsProcessesAreKilled(t *testing.T) {
	t.Run("with biases", func(t *testing.T) { verifyBags(t, bagger, true) })
	t.Run("without those of heads", func(t *testing.T) { verifyBags(t, plainBagger, false) })
}

func verifyBags(t *testing.T, run *linear.Function[shm.Ref], biases bool) {
	linear.Subject[shm.Ref, bag]{
		Run: run, Processes: 4, Clients: 1, Kills: 3,
		New: func(seg *shm.Segment, rnd *rand.Rand) (shm.Ref, linear.Model[bag], error) {
			capacity := 1 + rnd.IntN(bagSlots)
			model := bagModel(capacity, biases)
			m, err := ring.NewMPMC[triple](seg, capacity)
			if err != nil {
				return shm.Ref{}, model, err
			}
			return m.Ref(), model, nil
		},
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
			m, err := ring.MPMCFrom[triple](seg, ref)
			if err != nil {
				return err
			}
			if err := drain(func() (linear.Code, error) { return tryPopBag(c, m) }, linear.Refused); err != nil {
				return err
			}
			c.Invoke(bagClose)
			if _, err := note(c, m.Close()); err != nil {
				return err
			}
			return drain(func() (linear.Code, error) { return tryPopBag(c, m) }, linear.Closed)
		},
	}.Verify(t)
}
