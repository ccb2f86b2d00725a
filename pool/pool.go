package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/cpus"
)

// Pool is a set of worker processes. Its methods, and the tasks' calls, may be used by any number of
// goroutines.
type Pool struct {
	options
	born   time.Time
	ctx    context.Context // of the processes that are being started
	cancel context.CancelFunc
	unhook func() bool // takes Terminate off New's context

	mu      sync.Mutex
	links   []*link // by worker; nil if its place is not taken
	slots   []slot  // by worker
	size    int     // how many workers there may be
	empty   int     // places below size
	watched bool    // shrink is to come

	counting map[*link]struct{} // whose calls are not in history yet
	history  []*WorkerStats     // by worker
	idle     []*link            // those that take a task now, the longest idle first; taken from the end
	waiting  []chan *link       // callers, in the order in which they came
	closed   bool
	refusal  error       // why calls are refused
	deaths   int         // of workers, ever
	recent   []time.Time // of deaths that count for RestartLimit

	oom *oomWatch

	calls sync.WaitGroup // calls under way
	keep  sync.WaitGroup // goroutines of the pool
	event sync.Mutex     // one event at a time
}

// New starts the workers and returns when all are ready. When ctx ends, the pool is torn down as by
// Terminate. Errors: ErrWorkers, and those of proc.Function.Start (proc.ErrNoMain above all): then
// no worker is left.
func New(ctx context.Context, opts ...Option) (*Pool, error) {
	p := &Pool{options: options{grace: defaultGrace, limit: maxMessage, program: worker}, born: time.Now()}
	for _, opt := range opts {
		opt(&p.options)
	}
	if p.err != nil {
		return nil, p.err
	}
	if p.workers == 0 {
		p.workers = cpus.Allowed()
	}
	if p.minimum > p.workers {
		return nil, fmt.Errorf("%w: Elastic: at least %d of %d workers", ErrOption, p.minimum, p.workers)
	}
	p.counting = make(map[*link]struct{})
	p.oom = newOOMWatch(systemOOM())
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.resize(p.workers)
	if err := p.startAll(); err != nil {
		p.Terminate()
		return nil, fmt.Errorf("pool: start %d workers: %w", p.workers, err)
	}
	p.mu.Lock()
	p.unhook = context.AfterFunc(ctx, p.Terminate)
	p.mu.Unlock()
	return p, nil
}

// startAll starts the workers side by side.
func (p *Pool) startAll() error {
	errs := make([]error, p.floor())
	var wg sync.WaitGroup
	for id := range errs {
		p.place(id, slotStarting)
	}
	for id := range errs {
		wg.Go(func() {
			l, err := p.connect(id)
			if err != nil {
				errs[id] = err
				p.cancel() // the others need not get ready
				return
			}
			p.seat(l)
		})
	}
	wg.Wait()
	return first(errs)
}

// first is the error that is not just the consequence of another one, if there is one.
func first(errs []error) (found error) {
	for _, err := range errs {
		if err != nil && (found == nil || errors.Is(found, context.Canceled)) {
			found = err
		}
	}
	return found
}

// Close stops the intake, waits for the calls that have a worker, ends the workers, and waits for
// their end. Calls that wait for a worker fail with ErrClosed. A worker that does not end, because it
// is stopped or still at a task that was given up, is killed after the grace period. Close may be
// called again, by any goroutine, and always returns nil.
func (p *Pool) Close() error {
	p.refuse(ErrClosed)
	p.cancel() // what is still being started would not be used
	p.calls.Wait()
	if p.grace >= 0 {
		defer time.AfterFunc(p.grace, p.kill).Stop()
	}
	p.each((*link).retire)
	p.finish()
	return nil
}

// Terminate kills the workers; calls under way fail. It waits until the workers are gone and the
// calls have returned, and may be called again, by any goroutine.
func (p *Pool) Terminate() {
	p.refuse(ErrClosed)
	p.cancel()
	p.kill()
	p.finish()
}

// refuse lets no new call in, and none get a worker that waits for one.
func (p *Pool) refuse(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.refusal == nil {
		p.refusal = why
	}
	for _, turn := range p.waiting {
		close(turn)
	}
	p.waiting = nil
}

// each calls end with every worker.
func (p *Pool) each(end func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		if l != nil {
			end(l)
		}
	}
}

func (p *Pool) kill() {
	p.each(func(l *link) { _ = l.process.Kill() })
}

// finish waits for everything that is the pool's, after refuse: no call and no worker comes anew. A
// call under way may still leave a goroutine of the pool behind, so the calls come first.
func (p *Pool) finish() {
	p.calls.Wait()
	p.keep.Wait()
	p.mu.Lock()
	unhook := p.unhook
	p.mu.Unlock()
	if unhook != nil {
		unhook()
	}
}

// Workers says what each worker does at this moment.
func (p *Pool) Workers() []Worker {
	p.mu.Lock()
	links := slices.Clone(p.links)
	p.mu.Unlock()
	all := make([]Worker, len(links))
	for id, l := range links {
		all[id].ID = id
		if l != nil {
			all[id] = l.look()
		}
	}
	return all
}

// seat makes a worker that is ready part of the pool. Its death is told of after its start.
func (p *Pool) seat(l *link) {
	p.mu.Lock()
	if p.closed || l.id >= p.size {
		p.place(l.id, slotEmpty)
		p.mu.Unlock()
		l.discard()
		return
	}
	l.seated = time.Now()
	p.oom.note(l.seated)
	p.links[l.id] = l
	p.counting[l] = struct{}{}
	p.place(l.id, slotTaken)
	if l.restart {
		p.past(l.id).Restarts++
	}
	p.watch(p.patience)
	p.keep.Add(1)
	p.mu.Unlock()
	p.tell(Event{Kind: WorkerStarted, ID: l.id, Pid: l.process.Pid()})
	p.release(l, false)
	go func() {
		defer p.keep.Done()
		l.keep()
	}()
}

// withdraw takes a worker whose process is gone out of the pool.
func (p *Pool) withdraw(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[l.id] = nil
	p.place(l.id, slotStarting)
	if l.doom != nil {
		l.doom.Stop()
	}
	if i := slices.Index(p.idle, l); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
}

// enter counts a call, so that Close waits for it.
func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.refusal
	}
	p.calls.Add(1)
	return nil
}

// acquire takes a worker that is idle, or waits for one in the order in which callers came.
func (p *Pool) acquire(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return l, nil
	}
	if err := p.refusal; err != nil {
		p.mu.Unlock()
		return nil, err
	}
	turn := make(chan *link, 1)
	p.waiting = append(p.waiting, turn)
	p.demand()
	p.mu.Unlock()
	select {
	case l, ok := <-turn:
		if !ok {
			return nil, p.why()
		}
		return l, nil
	case <-ctx.Done():
		p.giveUp(turn)
		return nil, ctx.Err()
	}
}

// giveUp takes a caller out of the queue. A worker that it got at the last moment goes to the next.
func (p *Pool) giveUp(turn chan *link) {
	p.mu.Lock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	select {
	case l, ok := <-turn:
		if ok {
			p.release(l, false)
		}
	default:
	}
}

// release makes l take the next task, unless its process is gone, it has done its share, or there are too many.
func (p *Pool) release(l *link, spent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.id >= len(p.links) || p.links[l.id] != l || l.retired {
		return
	}
	if (spent || l.id >= p.size) && !p.closed {
		l.dismiss()
		return
	}
	if len(p.waiting) > 0 {
		turn := p.waiting[0]
		p.waiting = p.waiting[1:]
		turn <- l
		return
	}
	if p.elastic {
		l.since = time.Now()
	}
	p.idle = append(p.idle, l)
}

func (p *Pool) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusal
}

// fate says whether nobody is to take the place of l, which is gone, and whether it went in order.
func (p *Pool) fate(l *link) (closed, retired bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed, l.retired
}

// tell logs the event, and calls the option OnEvent's function.
func (p *Pool) tell(e Event) {
	if p.onEvent == nil && p.log == nil {
		return
	}
	p.event.Lock()
	defer p.event.Unlock()
	if p.log != nil {
		e.logged(p.log)
	}
	if p.onEvent != nil {
		p.onEvent(e)
	}
}

// retire lets the worker end: it reads that there will be no more requests. The pool's mu is held.
func (l *link) retire() {
	l.retired = true
	_ = l.requests.Close()
}
