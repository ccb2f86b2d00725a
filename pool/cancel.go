package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// cancels tells the tasks of a worker that their callers gave up. It costs a task nothing that does
// not ask its context: the goroutine that waits for cancellations is started by the first that does.
type cancels struct {
	base  context.Context
	state *workerState
	point *segment.Point
	over  *madeContext // cancelled: of tasks that have returned
	once  sync.Once
	asks  *asks

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
// for it.
type taskContext struct {
	*cancels
	id   uint64
	when int64                       // the deadline, as in a head
	made atomic.Pointer[madeContext] // nil: nobody has asked; that of cancels: the task has returned, and nobody had
}

// madeContext is what a task has that asks its context.
type madeContext struct {
	context.Context
	cancel context.CancelFunc
	pool   *Pool // what Current returns, if it was called; under cancels.mu
	ended  bool  // the task has returned, and asks for nothing any more; under asks.mu
}

func (c *cancels) begin(h head) *taskContext { return &taskContext{cancels: c, id: h.id, when: h.when} }

// end releases what the task's context holds. The context is over then, as that of any call that
// has returned.
func (c *cancels) end(t *taskContext) {
	if t.made.CompareAndSwap(nil, c.over) {
		return
	}
	c.mu.Lock()
	m := t.made.Load()
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
	if m := t.made.Load(); m != nil {
		return m
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	m := new(madeContext)
	m.Context, m.cancel = deadline(t.base, head{when: t.when})
	if !t.made.CompareAndSwap(nil, m) {
		m.cancel()
		return t.made.Load()
	}
	t.current = t
	t.once.Do(func() { go t.watch() })
	if t.state.cancelled.Load() >= t.id {
		m.cancel() // watch may have looked before current was set
	}
	return m
}

// Deadline is the caller's.
func (t *taskContext) Deadline() (at time.Time, ok bool) {
	if t.when == 0 {
		return at, false
	}
	return time.Unix(0, t.when), true
}

// Done is closed when the caller gave up, or its deadline has passed.
func (t *taskContext) Done() <-chan struct{} { return t.real().Done() }

// Err says why Done is closed.
func (t *taskContext) Err() error { return t.real().Err() }

// Value is that of the worker's own context, but for what Current asks for.
func (t *taskContext) Value(key any) any {
	if key == (currentKey{}) {
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
		if t := c.current; t != nil && t.id <= seen {
			t.made.Load().cancel()
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
