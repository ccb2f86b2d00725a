package pool

import (
	"container/list"
	"context"
	"slices"
	"sync"
)

// State is how far a future has come.
//
//	state      what moves it on                              to
//	pending    a worker takes it                             running
//	pending    Cancel, or its context ends                   cancelled
//	pending    the pool refuses it, or loses all workers     failed
//	running    the task's result arrives                     succeeded
//	running    an error of the task, or of the call          failed
//	running    Cancel, or its context ends                   cancelled
type State int

const (
	// StatePending: it waits for a worker.
	StatePending State = iota
	// StateRunning: a worker has it.
	StateRunning
	// StateSucceeded: it has a result.
	StateSucceeded
	// StateFailed: it has an error.
	StateFailed
	// StateCancelled: it was given up, by Cancel or because its context ended.
	StateCancelled
)

// String names the state in words.
func (s State) String() string {
	switch s {
	case StatePending:
		return "pending"
	case StateRunning:
		return "running"
	case StateSucceeded:
		return "succeeded"
	case StateFailed:
		return "failed"
	case StateCancelled:
		return "cancelled"
	default:
		return "unknown state"
	}
}

// Future is a call that nobody waits for yet: Go makes it. While it is pending, no goroutine waits on
// its behalf. Its methods may be called by any goroutine, at any time, also after the pool's end.
type Future[Out any] struct {
	pool  *Pool
	ctx   context.Context
	owner waiter        // the promise, which knows the input
	place *list.Element // in the pool's queue, under the pool's mu
	done  chan struct{}

	mu        sync.Mutex
	state     State
	out       Out
	err       error
	cancel    context.CancelFunc    // of the context under which it runs; nil before
	unhook    func() bool           // takes expire off the context; nil if it is not on it
	told      []chan<- *Future[Out] // have room for it, when it is done
	callbacks []func(out Out, err error)
}

// Go calls the task and does not wait: the future says what comes of it. It takes a worker in its turn
// among callers and futures. in must not be changed until the future is done, since it is encoded when a
// worker is there, and once more if that one dies. When ctx ends before, the future is cancelled. A
// future that the pool refuses is done at once, with the error that Call would have returned.
func (t *Typed[In, Out]) Go(ctx context.Context, p *Pool, in In) *Future[Out] {
	pr := t.promise(ctx, p, in)
	pr.submitted(t.submit(p, pr))
	return &pr.Future
}

// GoMany calls the task with each input, as Go does, and returns the futures in the inputs' order. They follow each other in the turns of
// those who call, unless there are more than 1,024: then others may come between.
func (t *Typed[In, Out]) GoMany(ctx context.Context, p *Pool, inputs []In) []*Future[Out] {
	fs := make([]*Future[Out], 0, len(inputs))
	all := make([]pending, 0, min(len(inputs), submittedAtOnce))
	for some := range slices.Chunk(inputs, submittedAtOnce) {
		all = all[:0]
		for _, in := range some {
			pr := t.promise(ctx, p, in)
			all = append(all, pr)
			fs = append(fs, &pr.Future)
		}
		err := t.submit(p, all...)
		for _, pr := range all {
			pr.submitted(err)
		}
	}
	return fs
}

// submittedAtOnce bounds for how many the pool's mu is held.
const submittedAtOnce = 1024

func (t *Typed[In, Out]) promise(ctx context.Context, p *Pool, in In) *promise[In, Out] {
	pr := &promise[In, Out]{task: t, in: in}
	f := &pr.Future
	f.pool, f.ctx, f.owner, f.done = p, ctx, pr, make(chan struct{})
	return pr
}

// submit is that of the pool. The error is why they are refused.
func (t *Typed[In, Out]) submit(p *Pool, all ...pending) error {
	if t.err != nil {
		return t.err
	}
	return p.submit(all...)
}

// submitted is told why the promise was refused; nil: it was not.
func (pr *promise[In, Out]) submitted(refused error) {
	if refused != nil {
		pr.finish(refused)
		return
	}
	pr.hook()
}

// pending is a promise that is submitted.
type pending interface {
	waiter
	submitted(refused error)
	// at is where its place in the queue is kept.
	at() **list.Element
}

func (f *Future[Out]) at() **list.Element { return &f.place }

// submit hands each a worker, or puts it into the queue. They are calls from then on.
func (p *Pool) submit(all ...pending) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return p.refusal
	}
	p.calls.Add(len(all))
	for i, w := range all {
		if l := p.takeIdle(); l != nil {
			w.take(l)
			continue
		}
		for _, w := range all[i:] {
			*w.at() = p.turns.any.PushBack(w)
		}
		p.demand()
		break
	}
	return nil
}

// promise is what the pool has of a future: who has it alone may touch the input.
type promise[In, Out any] struct {
	Future[Out]
	task *Typed[In, Out]
	in   In
}

// take begins the call, on a goroutine: there are no more of them than workers.
func (pr *promise[In, Out]) take(l *link) { go pr.run(l) }

// dismiss ends a call that got no worker.
func (pr *promise[In, Out]) dismiss(why error) {
	pr.finish(why)
	pr.pool.calls.Done()
}

// finish ends the promise without a result.
func (pr *promise[In, Out]) finish(why error) {
	var none In
	pr.in = none // not kept longer than it is needed
	var out Out
	pr.complete(out, why)
}

// run is the call.
func (pr *promise[In, Out]) run(l *link) {
	defer pr.pool.calls.Done()
	ctx, cancel, ok := pr.begin()
	if !ok {
		l.release(false)
		pr.finish(pr.ctx.Err())
		return
	}
	defer cancel()
	var out Out
	err := pr.pool.persist(ctx, l, pr.pool.acquire, func(l *link, attempt int) error {
		return pr.task.try(ctx, l, &pr.in, &out, attempt)
	})
	var none In
	pr.in = none
	pr.complete(out, err)
}

// begin makes a pending future running, with the context of its task. It reports false if it is
// cancelled already, or now, as its context is over.
func (f *Future[Out]) begin() (ctx context.Context, cancel context.CancelFunc, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != StatePending || f.ctx.Err() != nil {
		return nil, nil, false
	}
	f.state = StateRunning
	ctx, f.cancel = context.WithCancel(f.ctx)
	f.unhookContext()
	return ctx, f.cancel, true
}

// hook has a future that is still pending given up when its context ends. One that runs sees to that
// itself.
func (f *Future[Out]) hook() {
	if f.ctx.Done() == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == StatePending {
		f.unhook = context.AfterFunc(f.ctx, f.expire)
	}
}

// unhookContext undoes hook. The future's mu is held.
func (f *Future[Out]) unhookContext() {
	if f.unhook != nil {
		f.unhook()
		f.unhook = nil
	}
}

func (f *Future[Out]) expire() {
	if f.pool.leave(&f.pool.turns.any, &f.place) {
		f.owner.dismiss(f.ctx.Err())
	}
}

// complete ends the future, and reports false if it had ended before.
func (f *Future[Out]) complete(out Out, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state > StateRunning {
		return false
	}
	switch {
	case err == nil:
		f.state, f.out = StateSucceeded, out
	case err == context.Canceled, err == context.DeadlineExceeded, err == f.ctx.Err():
		f.state = StateCancelled // what a task returns is no bare error of a context
	default:
		f.state = StateFailed
	}
	f.err = err
	f.unhookContext()
	close(f.done)
	for _, c := range f.told {
		c <- f
	}
	f.told = nil
	for _, call := range f.callbacks {
		f.pool.callbacks.add(func() { call(f.out, f.err) })
	}
	f.callbacks = nil
	return true
}

// Cancel gives the future up: if it is not done yet, it is done now, with context.Canceled. A task that
// runs has its context ended, and its worker the grace period, as when the context of a Call ends. Cancel
// reports whether the future is cancelled, now or since before.
func (f *Future[Out]) Cancel() bool {
	if f.pool.leave(&f.pool.turns.any, &f.place) {
		f.owner.dismiss(context.Canceled)
		return true
	}
	var none Out
	f.complete(none, context.Canceled)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cancel != nil {
		f.cancel()
	}
	return f.state == StateCancelled
}

// Wait waits for the end of the future and returns what Call would have returned. When ctx ends first, it
// returns ctx's error, and the future goes on.
func (f *Future[Out]) Wait(ctx context.Context) (Out, error) {
	select {
	case <-f.done:
		return f.out, f.err
	default:
	}
	var none Out
	if err := ctx.Err(); err != nil {
		return none, err
	}
	select {
	case <-f.done:
		return f.out, f.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Done is closed when the future is done: it has a result or an error, and Wait and Result return it.
func (f *Future[Out]) Done() <-chan struct{} { return f.done }

// Result returns what Call would have returned, and ErrPending as long as the future is not done.
func (f *Future[Out]) Result() (Out, error) {
	select {
	case <-f.done:
		return f.out, f.err
	default:
		var none Out
		return none, ErrPending
	}
}

// State says how far the future has come.
func (f *Future[Out]) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// OnDone has call called, once, when the future is done, or soon if it is already. It is called in this
// process, by a goroutine of the pool: the callbacks of all the pool's futures run one after the other, those
// of one future in the order of the calls of OnDone. A callback that panics hurts nobody: slog tells of
// it. It may use the pool, also end it, and should return soon, since others wait for it.
func (f *Future[Out]) OnDone(call func(out Out, err error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state > StateRunning {
		f.pool.callbacks.add(func() { call(f.out, f.err) })
		return
	}
	f.callbacks = append(f.callbacks, call)
}

// tell has the future sent to c, which has room for it, when it is done.
func (f *Future[Out]) tell(c chan<- *Future[Out]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state > StateRunning {
		c <- f
		return
	}
	f.told = append(f.told, c)
}

// forget undoes tell.
func (f *Future[Out]) forget(c chan<- *Future[Out]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = slices.DeleteFunc(f.told, func(other chan<- *Future[Out]) bool { return other == c })
}
