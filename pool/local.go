package pool

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Local makes the workers goroutines of this process, for tests, and for programs that do not always
// need processes. Everything else is the same: inputs and results are encoded, so that what could not be
// handed over fails here, too; a panic is a *PanicError; a task sees the end of its caller's context,
// and none of its values. What is not: a goroutine cannot be killed. One that goes on after the grace
// period, or Terminate, is left to itself, and another one takes its place; Join does not wait for it.
// And a task that would end its process ends the program. Process has no effect then.
func Local() Option { return func(o *options) { o.local = true } }

// inside does the calls of a worker that is no process of its own.
type inside interface {
	// do is (*link).do.
	do(ctx context.Context, l *link, c *call, h head) error
	// kill makes do return. The pool's mu is held.
	kill()
}

// goroutine is a worker that runs tasks in this process.
type goroutine struct {
	ctx context.Context // of tasks; cancelled by kill
	end context.CancelFunc
}

// seatLocal makes goroutines the workers.
func (p *Pool) seatLocal() error {
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

// errandLocal is what a worker does as the first thing, or the last.
func (p *Pool) errandLocal(e *errand) (err error) {
	if e.Task == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.mark(inTask).around(func() {
		tasks.lookup(e.Task).protect(ctx, e.Input, nil, func(payload []byte, outcome uint32, _ bool) {
			if outcome != outcomeResult {
				err = failure(e.Name, outcome, payload)
			}
		})
	})
	return err
}

// leaveLocal is the end of a worker that has retired.
func (l *link) leaveLocal() {
	err := l.pool.errandLocal(&l.pool.finalizer)
	if err != nil {
		err = fmt.Errorf("finalizer: %w", err)
	}
	over, _ := l.pool.fate(l)
	unneeded := l.pool.unneeded(l)
	if !over {
		l.pool.tell(Event{Kind: WorkerRetired, ID: l.id, Pid: l.pid(), Err: err})
	}
	l.pool.record(l)
	if !over && !unneeded {
		l.pool.refill(l)
	}
}

func (p *Pool) newLocal(id int) *link {
	g := new(goroutine)
	g.ctx, g.end = context.WithCancel(context.Background())
	return p.newInside(id, g)
}

func (p *Pool) newInside(id int, do inside) *link {
	l := &link{pool: p, id: id, inside: do, gone: make(chan struct{})}
	l.settled.L = &l.mu
	return l
}

func (g *goroutine) kill() { g.end() }

func (g *goroutine) do(ctx context.Context, l *link, c *call, h head) error {
	task := g.begin(l.pool, c.depth, h)
	done := l.spawn(task, h)
	select {
	case r := <-done:
		l.reply.payload = r.payload
		l.settleInside(c, r.outcome, r.payload)
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		c.left = true
		l.tally.cancelled++
		l.mu.Unlock()
		task.cancel()
		l.pool.keep.Go(func() { g.wait(l, c, done) })
		return errGivenUp
	case <-g.ctx.Done():
		return g.lose(l, c)
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

// Value is what Current asks for, and nothing else.
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
	case r := <-done:
		l.settleInside(c, r.outcome, r.payload)
		l.release()
		return
	case <-grace:
	case <-g.ctx.Done():
	}
	_ = g.lose(l, c)
	if over, _ := l.pool.fate(l); !l.pool.unneeded(l) && !over {
		l.pool.replace(l.id, 0, nil)
	}
}

// lose takes a worker out of the pool whose goroutine is at c, and left to itself.
func (g *goroutine) lose(l *link, c *call) error {
	g.end()
	l.pool.withdraw(l)
	l.pool.tell(Event{
		Kind: WorkerLost, ID: l.id, Pid: l.pid(), Code: -1, Signal: syscall.SIGKILL,
		Task: c.task, Input: c.input(l.buf), Attempt: c.attempt,
	})
	l.settleInside(nil, 0, nil)
	l.pool.record(l)
	return &WorkerDied{Task: c.task, Pid: l.pid(), Code: -1, Signal: syscall.SIGKILL, Attempts: c.attempt}
}

// settleInside is settle without a ring.
func (l *link) settleInside(c *call, outcome uint32, payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c != nil {
		c.outcome, c.payload = outcome, payload
		if !c.left {
			l.tally.returned(outcome, l.pool.born, c.since)
		}
	}
	l.call = nil
}

// pid is the process of the worker.
func (l *link) pid() int {
	if l.inside != nil {
		return os.Getpid()
	}
	return l.process.Pid()
}

// kill ends the worker now. The pool's mu is held.
func (l *link) kill() {
	if l.inside != nil {
		l.inside.kill()
		return
	}
	_ = l.process.Kill()
}

// retire lets the worker end: it reads that there will be no more requests. It has none. The pool's mu is
// held.
func (l *link) retire() {
	l.retired = true
	if l.inside == nil {
		_ = l.requests.Close()
		return
	}
	if l.helps() {
		l.pool.extra[l.id] = starting
	} else {
		l.pool.links[l.id] = nil
		l.pool.place(l.id, slotStarting)
	}
	l.pool.keep.Go(l.leaveLocal)
}
