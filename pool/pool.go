package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/cpus"
)

// Pool is a set of worker processes. Its methods, and the tasks' calls, may be used by any number of
// goroutines.
type Pool struct {
	options
	number uint64 // of all pools of this process
	born   time.Time
	ctx    context.Context // of the processes that are being started
	cancel context.CancelFunc
	base   context.Context // Local: what those of tasks are made of
	unhook func() bool     // takes Terminate off New's context

	mu      sync.Mutex
	links   []*link     // by worker; nil if its place is not taken
	slots   []slot      // by worker
	size    int         // how many workers there may be
	empty   int         // places below size
	idle    []*link     // those that take a task now, the longest idle first; taken from the end
	watcher *time.Timer // has shrink look; nil before the first time
	looks   time.Time   // when; zero: it will not
	reviver *time.Timer // has places that were given up tried again; nil: there are none, or it is being done
	turns
	nesting
	life

	counting map[*link]struct{} // whose calls are not in history yet
	history  []*WorkerStats     // by worker
	helpers  *WorkerStats       // of those that made up for others; nil: there were none
	deaths   int                // of workers, ever
	spared   int                // spares that were ever started
	parking  int                // of those, that are being started
	recent   []time.Time        // of deaths that count for RestartLimit

	oom    *oomWatch
	spares chan *link

	calls     sync.WaitGroup // calls under way
	keep      sync.WaitGroup // goroutines of the pool
	event     sync.Mutex     // one event at a time
	callbacks callbacks
}

// New starts the workers and returns when all are ready. When ctx ends, the pool is torn down as by
// Terminate. Errors: ErrWorkers and ErrOption, that of the initializer, and those of
// proc.Function.Start (proc.ErrNoMain above all): then no worker is left.
func New(ctx context.Context, opts ...Option) (*Pool, error) {
	p := &Pool{
		options: options{grace: defaultGrace, limit: maxMessage, program: worker},
		number:  pools.Add(1), born: time.Now(), life: life{over: make(chan struct{}), gone: make(chan struct{})},
	}
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
	for _, e := range []*errand{&p.initializer, &p.finalizer} {
		if size := uint64(len(e.Input)); size > p.limit {
			return nil, fmt.Errorf("pool: task %q: its input: %w: %d bytes, the limit is %d", e.Name, ErrTooLarge, size, p.limit)
		}
	}
	p.counting = make(map[*link]struct{})
	p.callbacks.mark = p.mark(inCallback)
	p.spares = make(chan *link, p.reserve)
	p.oom = newOOMWatch(systemOOM())
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.resize(p.workers)
	if err := p.startAll(); err != nil {
		p.Terminate()
		<-p.gone
		return nil, fmt.Errorf("pool: start %d workers: %w", p.workers, err)
	}
	p.parkAll()
	p.mu.Lock()
	p.unhook = context.AfterFunc(ctx, p.Terminate)
	p.mu.Unlock()
	return p, nil
}

// startAll starts the workers side by side.
func (p *Pool) startAll() error {
	if p.local {
		return p.seatLocal()
	}
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

// Workers says what each worker does at this moment.
func (p *Pool) Workers() []Worker {
	p.mu.Lock()
	links := slices.Clone(p.links)
	for len(links) > p.size && links[len(links)-1] == nil {
		links = links[:len(links)-1]
	}
	helpers := slices.Collect(maps.Values(p.extra))
	p.mu.Unlock()
	all := make([]Worker, len(links))
	for id, l := range links {
		all[id].ID = id
		if l != nil {
			all[id] = l.look()
		}
	}
	slices.SortFunc(helpers, func(a, b *link) int { return a.id - b.id })
	for _, l := range helpers {
		if l.process != nil || l.inside != nil { // ready
			all = append(all, l.look())
		}
	}
	return all
}

// seat makes a worker that is ready part of the pool. Its death is told of after its start.
func (p *Pool) seat(l *link) {
	p.mu.Lock()
	if p.stopped() || !l.helps() && l.id >= p.size {
		if !l.helps() {
			p.vacate(l.id)
		}
		p.mu.Unlock()
		l.discard()
		return
	}
	l.seated = time.Now()
	if l.inside == nil {
		p.oom.note(l.seated)
	}
	p.put(l)
	p.counting[l] = struct{}{}
	if l.restart {
		p.past(l.id).Restarts++
	}
	p.watch()
	p.keep.Add(1)
	p.mu.Unlock()
	p.tell(Event{Kind: WorkerStarted, ID: l.id, Pid: l.pid()})
	p.release(l, false, false)
	l.onEnd(func() {
		defer p.keep.Done()
		l.keep()
	})
}

// enter counts a call, so that the workers stay until it is over.
func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return p.refusal
	}
	p.calls.Add(1)
	return nil
}

// admit is enter that takes a worker, too, if one is idle, and begins that call.
func (p *Pool) admit(ctx context.Context, task string, input func([]byte) any) (*link, error) {
	over := ctx.Err()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil || over != nil {
		return nil, cmp.Or(p.refusal, over)
	}
	p.calls.Add(1)
	l := p.takeIdle()
	if l != nil {
		l.open(task, input, 1, 0)
	}
	return l, nil
}

// put makes l the worker at its place. The pool's mu is held.
func (p *Pool) put(l *link) {
	if l.helps() {
		p.extra[l.id] = l
		return
	}
	p.links[l.id] = l
	p.place(l.id, slotTaken)
	delete(p.given, l.id)
}

// has reports whether l is the worker at its place. The pool's mu is held.
func (p *Pool) has(l *link) bool {
	if l.helps() {
		return p.extra[l.id] == l
	}
	return l.id < len(p.links) && p.links[l.id] == l
}

// stopped reports whether no worker comes any more. The pool's mu is held.
func (p *Pool) stopped() bool { return p.ending || p.cut != nil }

// fate says whether nobody is to take the place of l, which is gone, and whether it went in order.
func (p *Pool) fate(l *link) (over, retired bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped(), l.retired
}

// why is why nobody gets a worker any more, nil as long as some do.
func (p *Pool) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// tell logs the event, and calls the option OnEvent's function.
func (p *Pool) tell(e Event) {
	if p.onEvent == nil && p.log == nil {
		return
	}
	p.event.Lock()
	defer p.event.Unlock()
	apart("OnEvent", func() {
		p.mark(inEvent).around(func() {
			if p.log != nil {
				e.logged(p.log)
			}
			if p.onEvent != nil {
				p.onEvent(e)
			}
		})
	})
}
