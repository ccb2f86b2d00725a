package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// WorkerResult is what became of a Broadcast on one worker.
type WorkerResult[Out any] struct {
	ID  int // of the worker
	Pid int // of the process that did it, or did it last; 0 if none was there to do it
	Out Out
	Err error // that of its task alone: see Call
}

// Broadcast runs the task with in once on each worker, with each as soon as it is idle, and returns what
// came of it, by the workers' IDs, and the error of the first that has one. What it does to a process is
// lost with the process: a worker that takes a dead one's place has not run it. One that Resize takes away before it is idle has an error that says
// so. The pool that Current returns
// has no Broadcast: errors.ErrUnsupported.
func (t *Typed[In, Out]) Broadcast(ctx context.Context, p *Pool, in In) ([]WorkerResult[Out], error) {
	if t.err != nil {
		return nil, t.err
	}
	if p.borrowed {
		return nil, fmt.Errorf("pool: Broadcast by a task of the pool: %w", errors.ErrUnsupported)
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.calls.Done()
	results := make([]WorkerResult[Out], p.Size())
	var wg sync.WaitGroup
	for id := range results {
		wg.Go(func() {
			r := &results[id]
			r.ID = id
			next := func(ctx context.Context) (*link, error) { return p.acquireFrom(ctx, id) }
			r.Err = p.persist(ctx, nil, next, func(l *link, attempt int) error {
				r.Pid = l.pid()
				return t.try(ctx, l, &in, &r.Out, attempt)
			})
		})
	}
	wg.Wait()
	for id := range results {
		if err := results[id].Err; err != nil {
			return results, err
		}
	}
	return results, nil
}
