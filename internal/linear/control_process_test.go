package linear

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// Structures that are broken, which must be found out, each beside itself as it should be, which must
// not be.

// shared is the memory of all of them.
type shared struct {
	total   atomic.Uint64
	head    atomic.Uint64
	tail    atomic.Uint64
	slots   [controlSlots]atomic.Uint64
	a, b    uint64 // guarded by the mutex, like the following
	before  uint64 // a, before the change that is under way
	pending uint64 // 1: one is
}

const controlSlots = 8

// sample is what a process is given.
type sample struct {
	Memory, Mutex shm.Ref
	Broken        bool
}

func (s sample) open(seg *shm.Segment) (*shared, *sync.Mutex, error) {
	o, err := seg.Engine().Resolve(s.Memory, segment.KindRaw, 0)
	if err != nil {
		return nil, nil, err
	}
	mu, err := sync.MutexFrom(seg, s.Mutex)
	return sharedIn(o), mu, err
}

// controlOf is a Subject of that function and model.
func controlOf[S comparable](f *Function[sample], m Model[S], broken bool) Subject[sample, S] {
	return Subject[sample, S]{
		Run: f, Processes: 4, Clients: 1, Kills: 2,
		New: func(seg *shm.Segment, _ *rand.Rand) (sample, Model[S], error) {
			mu, err := sync.NewMutex(seg)
			if err != nil {
				return sample{}, m, err
			}
			o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: uint64(unsafe.Sizeof(shared{}))})
			return sample{Memory: o.Ref(), Mutex: mu.Ref(), Broken: broken}, m, err
		},
	}
}

// accept demands that nothing is found in some trials.
func accept[S comparable](t *testing.T, s Subject[sample, S]) {
	t.Helper()
	dir := t.TempDir()
	var sum tally
	for seed := firstSeed(t); sum.trials < wanted; seed++ {
		h, m := s.once(t, dir, seed)
		require.Equal(t, porcupine.Ok, m.check(h), "%s=%d", seedVariable, seed)
		add(&sum, &m, h)
	}
	t.Log(sum.String())
}

const addOne Kind = 1

// counterModel counts, and each gets the count before.
var counterModel = Model[uint64]{
	Kinds: []string{"", "add one"},
	Step: func(n uint64, op Op) []uint64 {
		switch {
		case op.Fate == Returned && op.Code == TimedOut:
			return []uint64{n}
		case op.Fate != Returned || op.Outs[0] == n:
			return []uint64{n + 1}
		}
		return nil
	},
}

// counter adds. It is broken if it loads and stores.
var counter = Func("control counter", func(_ context.Context, c *Client, seg *shm.Segment, s sample) error {
	m, _, err := s.open(seg)
	for ; err == nil && c.More(); c.Pause() {
		c.Invoke(addOne)
		var n uint64
		if s.Broken {
			n = m.total.Load()
			c.Work(500)
			m.total.Store(n + 1)
		} else {
			n = m.total.Add(1) - 1
		}
		c.Return(OK, n)
	}
	return err
})

func TestLinearControlARegisterWithoutALockIsFoundOut(t *testing.T) {
	accept(t, controlOf(counter, counterModel, false))
	controlOf(counter, counterModel, true).Refute(t)
}

const (
	controlPush Kind = iota + 1
	controlPop
)

type controlQueue struct {
	values [controlSlots]uint64
	n      int
}

var queueModel = Model[controlQueue]{
	Kinds: []string{"", "push", "pop"},
	Step: func(q controlQueue, op Op) []controlQueue {
		push, cut := op.Kind == controlPush, op.Fate != Returned
		switch {
		case !cut && op.Code == Refused:
			if push && q.n < controlSlots || !push && q.n > 0 {
				return nil
			}
		case push && q.n < controlSlots:
			q.values[q.n] = op.Args[0]
			q.n++
		case !push && q.n > 0 && (cut || op.Outs[0] == q.values[0]):
			copy(q.values[:], q.values[1:])
			q.values[controlSlots-1] = 0
			q.n--
		default:
			return nil
		}
		return []controlQueue{q}
	},
}

// queue has one that pushes and several that pop. It is broken if two that pop do not exclude each
// other: what both see is popped twice.
var queue = Func("control queue", func(_ context.Context, c *Client, seg *shm.Segment, s sample) error {
	m, _, err := s.open(seg)
	for ; err == nil && c.More(); c.Pause() {
		if c.Process == 0 {
			m.push(c)
		} else {
			m.pop(c, s.Broken)
		}
	}
	return err
})

func (m *shared) push(c *Client) {
	v := c.Unique()
	c.Invoke(controlPush, v)
	tail := m.tail.Load()
	if tail-m.head.Load() == controlSlots {
		c.Return(Refused)
		return
	}
	m.slots[tail%controlSlots].Store(v)
	m.tail.Store(tail + 1)
	c.Return(OK)
}

func (m *shared) pop(c *Client, broken bool) {
	c.Invoke(controlPop)
	for {
		head := m.head.Load()
		if head == m.tail.Load() {
			c.Return(Refused)
			return
		}
		v := m.slots[head%controlSlots].Load()
		if broken {
			c.Work(500)
			m.head.Store(head + 1)
		} else if !m.head.CompareAndSwap(head, head+1) {
			continue
		}
		c.Return(OK, v)
		return
	}
}

func TestLinearControlAQueueThatPopsTwiceIsFoundOut(t *testing.T) {
	accept(t, controlOf(queue, queueModel, false))
	controlOf(queue, queueModel, true).Refute(t)
}

// ledger adds to two words under a lock, and notes before what to go back to. It is broken if it says
// that the note is there before it is: then the successor of one that is killed in between goes back
// to an older note, and what others were told is undone. As long as nobody is killed it is right.
var ledger = Func("control ledger", func(ctx context.Context, c *Client, seg *shm.Segment, s sample) error {
	m, mu, err := s.open(seg)
	for ; err == nil && c.More(); c.Pause() {
		c.Invoke(addOne)
		err = mu.Lock(ctx)
		switch {
		case errors.Is(err, context.Canceled):
			c.Return(TimedOut)
			return nil
		case errors.Is(err, sync.ErrOwnerDied):
			if m.pending == 1 {
				m.a, m.b, m.pending = m.before, m.before, 0
			}
			err = mu.MarkConsistent()
		}
		if err != nil {
			return err
		}
		n := m.change(c, s.Broken)
		err = mu.Unlock()
		c.Return(OK, n)
	}
	return err
})

func (m *shared) change(c *Client, broken bool) uint64 {
	if broken {
		m.pending = 1
		c.Work(3000)
		m.before = m.a
	} else {
		m.before = m.a
		c.Work(3000)
		m.pending = 1
	}
	n := m.a
	m.a = n + 1
	m.b = n + 1
	m.pending = 0
	return n
}

func TestLinearControlARecoveryThatGoesBackTooFarIsFoundOut(t *testing.T) {
	accept(t, controlOf(ledger, counterModel, false))
	controlOf(ledger, counterModel, true).Refute(t)
}
