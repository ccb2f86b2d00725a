package pool

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/ring"
)

// Initializer has each worker run the task with in before it is given any other, at the start and whenever it
// is replaced; the result is dropped. What it sets up in the worker's process, package variables for example, is there for the tasks
// that follow. Its context ends when it returns. It is before the pool's tasks, so Current is nil in it, as in the Finalizer.
//
// New fails with the initializer's error, and leaves no worker. A replacement whose initializer fails, or ends the
// process, is one that cannot be started: see WorkerFailed and WorkerGivenUp.
func Initializer[In, Out any](t *Typed[In, Out], in In) Option {
	return func(o *options) { o.initializer = t.errand(o, "Initializer", in) }
}

// Finalizer has each worker run the task with in as the last thing it does: when the pool is closed, or the worker is
// taken away because it has done its share or there are too many. The grace period is its limit. A worker that dies, or is killed,
// does not come to it. Its error is found in the event WorkerRetired.
func Finalizer[In, Out any](t *Typed[In, Out], in In) Option {
	return func(o *options) { o.finalizer = t.errand(o, "Finalizer", in) }
}

// errand is a call that each worker is given by the pool itself. The zero value is none.
type errand struct {
	Name  string
	Task  uint64
	Types uint32
	Input []byte
}

func (t *Typed[In, Out]) errand(o *options, option string, in In) errand {
	if t == nil {
		o.refuse("%w: %s of no task", ErrOption, option)
		return errand{}
	}
	input, err := t.append(nil, &in, maxMessage)
	if err != nil {
		o.refuse("%w", err)
	}
	return errand{t.name, t.hash, t.types, input}
}

// calls is how many calls of a worker it is.
func (e *errand) calls() uint64 {
	if e.Task == 0 {
		return 0
	}
	return 1
}

// greeted waits for the worker's first message.
func (l *link) greeted() error {
	return l.beforehand(func() error { return l.read(l.pool.ctx, &call{id: greeting}) })
}

// prepare has the worker run the initializer.
func (l *link) prepare() error {
	if l.pool.initializer.Task == 0 {
		return nil
	}
	return l.beforehand(func() error {
		if err := l.initialize(&l.pool.initializer); err != nil {
			return fmt.Errorf("initializer: %w", err)
		}
		return nil
	})
}

// beforehand does something with a worker whose death nobody is told of yet.
func (l *link) beforehand(do func() error) error {
	ready := make(chan struct{})
	defer close(ready)
	go func() {
		select {
		case <-l.process.Done():
			l.bury()
		case <-ready:
		}
	}()
	err := do()
	if errors.Is(err, ring.ErrPeerDied) {
		return fmt.Errorf("it ended before it was ready: %w", l.end())
	}
	return err
}

// initialize makes the first call, which nobody sees. It is no work that the worker was of use for.
func (l *link) initialize(e *errand) error {
	l.last++
	c := &call{id: l.last, depth: maxDepth} // to a worker that asks for something all the same
	if _, err := send(l.pool.ctx, l.requests, l.record, &head{id: c.id, task: e.Task, types: e.Types}, e.Input); err != nil {
		return err
	}
	if err := l.read(l.pool.ctx, c); err != nil {
		return err
	}
	if l.reply.head.outcome != outcomeResult {
		return failure(e.Name, l.reply.head.outcome, l.reply.payload)
	}
	return nil
}

// finish is the worker's end when the parent has no more requests.
func (c *child) finish() {
	e := &c.finalizer
	if e.Task == 0 {
		c.ended <- nil
		return
	}
	t := tasks.lookup(e.Task)
	if t == nil || t.types != e.Types {
		c.ended <- fmt.Errorf("finalizer: %w: %q", ErrNotRegistered, e.Name)
		return
	}
	t.protect(c.cancels.base, e.Input, nil, func(payload []byte, outcome uint32, _ bool) {
		if outcome != outcomeResult {
			c.ended <- fmt.Errorf("finalizer: %w", failure(e.Name, outcome, payload))
			return
		}
		c.ended <- nil
	})
}
