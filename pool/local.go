package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/inherit"
)

// Local makes the workers goroutines of this process, for tests, and for programs that do not always
// need processes. Everything else is the same: inputs and results are encoded, so that what could not be
// handed over fails here, too; a panic is a *PanicError; a task sees the end of its caller's context,
// and none of its values. What is not: a goroutine cannot be killed. One that would be, because it goes on after the grace
// period, or Terminate, sees the end of its context, and is left to itself; Join does not wait for it. In all else that is the
// death of the worker, by SIGKILL: it is told of, counted and limited (WorkerLost, Stats, RestartLimit, BreakOnDeath), and another
// worker takes the place. That goes for initializers and finalizers as well.
// And a task that would end its process ends the program.
//
// Of Process, Share and Files count: tasks find the segments and files by proc.Segment, proc.Segments and proc.File as those of processes
// do, but that they are the caller's own, and the same for all workers. So they stay the caller's to close, when no task runs any more: the
// pool never closes them, and a task that does takes them from everybody. The other options of processes have no effect, nor have
// MemoryLimit, MemoryCap and Spares; but what is refused with processes is refused here, too.
func Local() Option { return func(o *options) { o.local = true } }

// inside is a worker that is no process of its own.
type inside interface {
	// do is (*link).do.
	do(ctx context.Context, l *link, c *call, h head) error
	// life is how it ends.
	life() *span
}

// span is from the start of such a worker to its end, in order or not. Its end is final, and the first counts.
type span struct {
	ctx context.Context // over with it
	end context.CancelCauseFunc
}

func newSpan(ctx context.Context) (s span) {
	s.ctx, s.end = context.WithCancelCause(ctx)
	return s
}

func (s *span) life() *span { return s }

// Why a span ended. If it is something else, that is the finalizer's error.
var (
	errEnded = errors.New("ended")
	errLeft  = errors.New("it did not end, and is left to itself")
)

// kill is what comes instead of SIGKILL.
func (s *span) kill() { s.end(errLeft) }

// err is what (*proc.Process).Wait says of a process. The span is over.
func (s *span) err() error {
	if err := context.Cause(s.ctx); err != errEnded {
		return err
	}
	return nil
}

// goroutine is a worker that runs tasks in this process.
type goroutine struct {
	span // of which the context is that of tasks
}

// seatLocal makes goroutines the workers.
func (p *Pool) seatLocal() error {
	given, err := inherit.ByOptions(p.process)
	if err != nil {
		return err
	}
	p.base = inherit.With(context.Background(), given)
	for id := range p.floor() {
		l, err := p.connect(id)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.place(id, slotStarting)
		p.mu.Unlock()
		p.seat(l)
	}
	return nil
}

// initializeLocal is what a worker does as the first thing.
func (p *Pool) initializeLocal() error {
	s := newSpan(p.base)
	defer s.end(errEnded)
	defer context.AfterFunc(p.ctx, func() { s.end(p.ctx.Err()) })() // nothing else of p.ctx is for tasks
	return p.errandLocal(&s, &p.initializer)
}

// errandLocal has e done, in a goroutine of its own: it may end that, and if it goes on when the span is over, it is left to itself.
func (p *Pool) errandLocal(s *span, e *errand) error {
	if e.Task == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go p.mark(inTask).around(func() {
		tasks.lookup(e.Task).protect(ctx, e.Input, nil, func(payload []byte, outcome uint32, _ bool) {
			cancel()
			if outcome != outcomeResult {
				done <- failure(e.Name, outcome, payload)
				return
			}
			done <- nil
		})
	})
	select {
	case err := <-done:
		return err
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// leaveLocal is the end of a worker that has been told to: the call that it has, if its caller gave that up, and the finalizer.
func (l *link) leaveLocal() {
	if l.settleLast() != nil {
		return // it has ended
	}
	s := l.inside.life()
	if err := l.pool.errandLocal(s, &l.pool.finalizer); err != nil {
		s.end(fmt.Errorf("finalizer: %w", err))
		return
	}
	s.end(errEnded)
}

func (p *Pool) newLocal(id int) *link {
	return p.newInside(id, &goroutine{newSpan(p.base)})
}

func (p *Pool) newInside(id int, do inside) *link {
	l := &link{pool: p, id: id, inside: do, gone: make(chan struct{})}
	l.settled.L = &p.mu
	return l
}

func (g *goroutine) do(ctx context.Context, l *link, c *call, h head) error {
	if g.ctx.Err() != nil {
		l.mourn(c, nil)
		return errNotBegun
	}
	l.pool.mu.Lock()
	c.begun = true
	l.pool.mu.Unlock()
	task := g.begin(l.pool, c.depth, h)
	l.nest = task.nest
	done := l.spawn(task, h)
	select {
	case r := <-done:
		l.reply.head.outcome, l.reply.payload = r.outcome, r.payload
		return nil
	case <-ctx.Done():
		l.leaving(c, 1)
		task.cancel()
		l.pool.keep.Go(func() { g.wait(l, c, done) })
		return errGivenUp
	case <-g.ctx.Done():
		l.mourn(c, nil)
		return l.died(c)
	}
}

// localTask is what a goroutine runs.
type localTask struct {
	context.Context
	cancel context.CancelFunc
	nest   *nest

	mu   sync.Mutex
	pool *Pool  // what Current returns, if it was called
	last uint64 // id of a nested call
}

func (g *goroutine) begin(p *Pool, depth int, h head) *localTask {
	t := &localTask{nest: newNest(p, depth)}
	t.Context, t.cancel = deadline(g.ctx, h)
	return t
}

// Value is what Current asks for, and what the pool was given for its workers.
func (t *localTask) Value(key any) any {
	if key == (currentKey{}) {
		return t
	}
	return t.Context.Value(key)
}

func (t *localTask) borrowed() *Pool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pool == nil {
		t.pool = newNested(t, t.nest.pool.workers, t.nest.pool.limit)
	}
	return t.pool
}

func (t *localTask) ask(ctx context.Context, h head, input []byte) (outcome uint32, payload []byte, err error) {
	t.mu.Lock()
	t.last++
	id := t.last
	t.mu.Unlock()
	nested, ok := t.nest.begin(id, h)
	if !ok {
		return 0, nil, context.Canceled
	}
	defer t.nest.done(id)
	defer context.AfterFunc(ctx, func() { t.nest.done(id) })()
	outcome, payload = t.nest.pool.nested(nested, t.nest.depth+1, h, input)
	return outcome, payload, ctx.Err()
}

// end is called when the task has returned.
func (t *localTask) end() {
	t.cancel()
	t.nest.end()
	t.mu.Lock()
	pool := t.pool
	t.mu.Unlock()
	if pool != nil {
		pool.Terminate()
	}
}

// replied is what a task has made.
type replied struct {
	outcome uint32
	payload []byte
}

// spawn runs the task of which the input is in l's buffer.
func (l *link) spawn(t *localTask, h head) <-chan replied {
	done := make(chan replied, 1)
	input, buf, limit := l.buf, l.reply.payload[:0], l.pool.limit
	go l.pool.mark(inTask).around(func() {
		tasks.lookup(h.task).protect(t, input, buf, func(payload []byte, outcome uint32, _ bool) {
			t.end()
			payload, outcome = fitted(payload, outcome, limit)
			done <- replied{outcome, payload}
		})
	})
	return done
}

// wait is what becomes of a call that was given up.
func (g *goroutine) wait(l *link, c *call, done <-chan replied) {
	var grace <-chan time.Time
	if l.pool.grace >= 0 {
		timer := time.NewTimer(l.pool.grace)
		defer timer.Stop()
		grace = timer.C
	}
	select {
	case <-done:
		l.release(true)
		return
	case <-grace:
	case <-g.ctx.Done():
	}
	l.mourn(c, nil)
}

// pid is the process of the worker.
func (l *link) pid() int {
	if l.inside != nil {
		return os.Getpid()
	}
	return l.process.Pid()
}

// onEnd has f called, by a goroutine of its own, when the worker has ended.
func (l *link) onEnd(f func()) {
	if l.inside != nil {
		context.AfterFunc(l.inside.life().ctx, f) // there may be thousands of requests, of which none is used
		return
	}
	go func() {
		<-l.process.Done()
		f()
	}()
}

// kill ends the worker now.
func (l *link) kill() {
	if l.inside != nil {
		l.inside.life().kill()
		return
	}
	_ = l.process.Kill()
}

// retire lets the worker end: it reads that there will be no more requests. It has none, but one that was given up. The pool's mu is
// held.
func (l *link) retire() {
	switch {
	case l.inside == nil:
		_ = l.requests.Close()
	case l.inside.life().ctx.Err() != nil:
		return // it was killed
	case !l.retired:
		l.pool.keep.Go(l.leaveLocal)
	}
	l.retired = true
}

// ending says how the worker ended. It has.
func (l *link) ending() error {
	if l.inside != nil {
		return l.inside.life().err()
	}
	return l.process.Err()
}
