package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// cancels tells the tasks of a worker that their callers gave up. It costs a task nothing that does
// not ask its context: the goroutine that waits for cancellations is started by the first that does.
type cancels struct {
	base  context.Context // the worker's, as tasks see it
	state *workerState
	point *segment.Point
	over  *madeContext // cancelled: of tasks that have returned, and had not asked
	once  sync.Once
	asks  *asks

	ended word.Uint64 // id of the newest call that has returned; the worker's one task after the other stores it
	makes atomic.Int64

	mu      sync.Mutex
	current *taskContext // the task that runs, if it asked
}

func newCancels(base context.Context, o segment.Object) *cancels {
	over := &madeContext{ended: true}
	over.Context, over.cancel = context.WithCancel(base)
	over.cancel()
	return &cancels{
		base: base, over: over, state: stateIn(o), asks: new(asks),
		point: o.Segment().Point(o.Offset()+eventOffset, segment.Shared),
	}
}

// taskContext is the context of one task. What it needs to be cancelled is made when it is asked
// for it. One that was not asked before its task returned may become that of another one: see (*contexts).of.
type taskContext struct {
	*cancels
	id   word.Uint64
	when atomic.Int64                // the deadline, as in a head
	made atomic.Pointer[madeContext] // nil: nobody has asked; stored under mu
}

// madeContext is what a task has that asks its context.
type madeContext struct {
	context.Context
	id     uint64 // of the call that it was made for
	cancel context.CancelFunc
	pool   *Pool // what Current returns, if it was called; under cancels.mu
	freed  bool  // likewise; release was called
	ended  bool  // the task has returned, and asks for nothing any more; under asks.mu
}

// end releases what the task's context holds. The context is over then, as that of any call that has returned.
func (c *cancels) end(t *taskContext) {
	c.ended.Store(t.id.Load()) // pairs with the load in real, and the load in release with the store there
	c.release(t)
}

// endOf is end without a fence: who asks at this very moment may be missed, until (*contexts).settle is called.
func (c *cancels) endOf(t *taskContext) {
	futex.Publish(&c.ended, t.id.Load())
	if t.made.Load() != nil {
		c.release(t)
	}
}

// release ends what was made for a task that has returned, once.
func (c *cancels) release(t *taskContext) {
	m := t.made.Load()
	if m == nil {
		return
	}
	c.mu.Lock()
	if m.freed {
		c.mu.Unlock()
		return
	}
	m.freed = true
	m.cancel()
	if c.current == t {
		c.current = nil
	}
	pool := m.pool
	c.mu.Unlock()
	c.asks.end(m, pool)
}

// real is the context behind t, which the goroutine that waits for cancellations can reach.
func (t *taskContext) real() *madeContext {
	id := t.id.Load()
	if m := t.made.Load(); m != nil && m.id == id {
		return m
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id = t.id.Load()
	if m := t.made.Load(); m != nil && m.id == id {
		return m
	}
	if t.ended.Load() >= id {
		return t.over
	}
	m := &madeContext{id: id}
	m.Context, m.cancel = deadline(t.base, head{when: t.when.Load()})
	t.made.Store(m)
	t.makes.Add(1)
	if t.ended.Load() >= id { // it has returned, and who ended it may not have seen that this was made
		m.freed = true
		m.cancel()
		return m
	}
	t.current = t
	t.once.Do(func() { go t.watch() })
	if t.state.cancelled.Load() >= id {
		m.cancel() // watch may have looked before current was set
	}
	return m
}

// Deadline is the caller's.
func (t *taskContext) Deadline() (at time.Time, ok bool) {
	when := t.when.Load()
	if when == 0 {
		return at, false
	}
	return time.Unix(0, when), true
}

// Done is closed when the caller gave up, or its deadline has passed.
func (t *taskContext) Done() <-chan struct{} { return t.real().Done() }

// Err says why Done is closed.
func (t *taskContext) Err() error { return t.real().Err() }

// Value is that of the worker's context, but for what Current asks for.
func (t *taskContext) Value(key any) any {
	if key == (currentKey{}) {
		if t.id.Load() <= t.asks.initial {
			return nil // it is not the pool's yet
		}
		return t
	}
	return t.base.Value(key)
}

// watch waits for cancellations as long as the worker lives. What was cancelled before it began is
// looked at as well.
func (c *cancels) watch() {
	for {
		seen := c.state.cancelled.Load()
		c.mu.Lock()
		if t := c.current; t != nil && t.id.Load() <= seen {
			t.made.Load().cancel() // the task's own: it has not returned
		}
		c.mu.Unlock()
		err := c.point.Wait(c.base, segment.Wait{Try: func() bool {
			return c.state.cancelled.Load() != seen
		}})
		if err != nil {
			return
		}
	}
}
