package proc

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Group is processes that are started for one purpose, with the habits of errgroup.Group: the first that fails ends
// the others, and Wait returns what it failed with. It is made by NewGroup, and may be used by any number of goroutines.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	places chan struct{} // nil: no limit
	grace  time.Duration

	all  sync.WaitGroup
	once sync.Once
	err  error
}

// NewGroup returns a Group, and a context that ends when the first of its processes fails, when Wait returns, or with
// ctx. When it ends, the group's processes get SIGTERM, and those that are still there a second later (see
// SetGrace) SIGKILL.
func NewGroup(ctx context.Context) (*Group, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{ctx: ctx, cancel: cancel, grace: time.Second}, ctx
}

// SetLimit has at most n of the group's processes live at a time; Go waits for a place. Less than 1 is no limit. It is called
// before the first Go.
func (g *Group) SetLimit(n int) {
	g.places = nil
	if n > 0 {
		g.places = make(chan struct{}, n)
	}
}

// SetGrace sets how long a process has between SIGTERM and SIGKILL: a second if it is not called, and nothing for 0. It is
// called before the first Go.
func (g *Group) SetGrace(d time.Duration) { g.grace = d }

// Wait waits until all processes have ended, and returns the first error: of a start, or an *ExitError. If the context of the
// group ended before any failed, that is the context's.
func (g *Group) Wait() error {
	g.all.Wait()
	g.cancel(g.err)
	return g.err
}

// fail takes note of the first error, and ends the others.
func (g *Group) fail(err error) {
	g.once.Do(func() {
		g.err = err
		g.cancel(err)
	})
}

// Go starts a process of g that runs f with args, as Start does. It returns at once, or as soon as there is a place
// (see SetLimit); what goes wrong is Wait's to say. In a group whose context has ended it starts nothing.
func (f *Function[A]) Go(g *Group, args A, opts ...Option) {
	if g.places != nil {
		select {
		case g.places <- struct{}{}:
		case <-g.ctx.Done():
		}
	}
	if g.ctx.Err() != nil {
		g.fail(g.over())
		return
	}
	g.all.Go(func() {
		if g.places != nil {
			defer func() { <-g.places }()
		}
		p, err := f.Start(g.ctx, args, opts...)
		switch {
		case err == nil:
			err = g.follow(p)
		case g.ctx.Err() != nil:
			err = g.over()
		}
		if err != nil {
			g.fail(err)
		}
	})
}

// follow waits for the end of p, which is that of the group's context at the latest.
func (g *Group) follow(p *Process) error {
	select {
	case <-p.Done():
		return p.Wait(context.Background())
	case <-g.ctx.Done():
	}
	_ = p.Terminate() // the only error is that it has ended
	patience := time.NewTimer(g.grace)
	defer patience.Stop()
	select {
	case <-p.Done():
	case <-patience.C:
	}
	_ = p.Close()
	return g.over()
}

// over is the error of a process that ends with the group's context.
func (g *Group) over() error { return fmt.Errorf("proc: group: %w", context.Cause(g.ctx)) }
