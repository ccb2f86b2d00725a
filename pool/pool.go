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

	mu    sync.Mutex
	links []*link // by worker; nil while it is being replaced, or was given up
	idle  []*link // those that take a task now, the longest idle first; taken from the end
	turns
	nesting
	life

	calls     sync.WaitGroup // calls under way
	keep      sync.WaitGroup // goroutines of the pool
	event     sync.Mutex     // one event at a time
	callbacks callbacks
}

// New starts the workers and returns when all are ready. When ctx ends, the pool is torn down as by
// Terminate. Errors: ErrWorkers, and those of proc.Function.Start (proc.ErrNoMain above all): then
// no worker is left.
func New(ctx context.Context, opts ...Option) (*Pool, error) {
	p := &Pool{
		options: options{grace: defaultGrace, limit: maxMessage, program: worker},
		born:    time.Now(), life: life{over: make(chan struct{}), gone: make(chan struct{})},
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
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.links = make([]*link, p.workers)
	if err := p.startAll(); err != nil {
		p.Terminate()
		<-p.gone
		return nil, fmt.Errorf("pool: start %d workers: %w", p.workers, err)
	}
	p.mu.Lock()
	p.unhook = context.AfterFunc(ctx, p.Terminate)
	p.mu.Unlock()
	return p, nil
}

// startAll starts the workers side by side.
func (p *Pool) startAll() error {
	if p.local {
		p.seatLocal()
		return nil
	}
	errs := make([]error, p.workers)
	var wg sync.WaitGroup
	for id := range p.workers {
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
	p.mu.Unlock()
	for len(links) > p.workers && links[len(links)-1] == nil {
		links = links[:len(links)-1]
	}
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
	if p.ending {
		p.mu.Unlock()
		l.discard()
		return
	}
	l.seated = time.Now()
	p.links[l.id] = l
	if l.inside == nil {
		p.keep.Add(1)
	}
	p.mu.Unlock()
	p.tell(Event{Kind: WorkerStarted, ID: l.id, Pid: l.pid()})
	p.release(l)
	if l.inside != nil {
		return
	}
	go func() {
		defer p.keep.Done()
		l.keep()
	}()
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

func (p *Pool) isEnding() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ending
}

// tell calls the option OnEvent's function.
func (p *Pool) tell(e Event) {
	if p.onEvent == nil {
		return
	}
	p.event.Lock()
	defer p.event.Unlock()
	p.onEvent(e)
}
