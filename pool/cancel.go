package pool

import (
	"context"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// cancels tells the tasks of a worker that their callers gave up. It costs a task nothing that does
// not ask its context: the goroutine that waits for cancellations is started by the first that does.
type cancels struct {
	base  context.Context
	state *workerState
	point *segment.Point
	over  context.Context // cancelled: of tasks that have returned
	once  sync.Once
	asks  *asks

	mu      sync.Mutex
	current *taskContext // the task that runs, if it asked
}

func newCancels(base context.Context, o segment.Object) *cancels {
	over, cancel := context.WithCancel(base)
	cancel()
	return &cancels{
		base: base, over: over, state: stateIn(o), asks: new(asks),
		point: o.Segment().Point(o.Offset()+eventOffset, segment.Shared),
	}
}

// taskContext is the context of one task. What it needs to be cancelled is made when it is asked
// for it.
type taskContext struct {
	*cancels
	id       uint64
	deadline time.Time

	made   sync.Once
	ctx    context.Context
	cancel context.CancelFunc

	pool  *Pool // what Current returns, if it was called; under cancels.mu
	ended bool  // the task has returned, and asks for nothing any more; under asks.mu
}

func (c *cancels) begin(h head) *taskContext {
	t := &taskContext{cancels: c, id: h.id}
	if h.when != 0 {
		t.deadline = time.Unix(0, h.when)
	}
	return t
}

// end releases what the task's context holds. The context is over then, as that of any call that
// has returned.
func (c *cancels) end(t *taskContext) {
	made := true
	t.made.Do(func() { t.ctx, t.cancel, made = c.over, func() {}, false })
	t.cancel()
	c.mu.Lock()
	if c.current == t {
		c.current = nil
	}
	pool := t.pool
	c.mu.Unlock()
	if made {
		c.asks.end(t, pool)
	}
}

// real is the context behind t, which the goroutine that waits for cancellations can reach.
func (t *taskContext) real() context.Context {
	t.made.Do(func() {
		if t.deadline.IsZero() {
			t.ctx, t.cancel = context.WithCancel(t.base)
		} else {
			t.ctx, t.cancel = context.WithDeadline(t.base, t.deadline)
		}
		t.mu.Lock()
		t.current = t
		t.mu.Unlock()
		t.once.Do(func() { go t.watch() })
		if t.state.cancelled.Load() >= t.id {
			t.cancel() // watch may have looked before current was set
		}
	})
	return t.ctx
}

// Deadline is the caller's.
func (t *taskContext) Deadline() (time.Time, bool) { return t.deadline, !t.deadline.IsZero() }

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
			t.cancel()
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
