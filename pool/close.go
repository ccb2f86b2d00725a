package pool

import (
	"context"
	"time"
)

// life is how far a pool's end has come, under its mu.
//
//	phase    new calls    calls that wait  calls that have  a lost        moves on
//	                      for a worker     a worker         worker is
//	open     come in      go on            go on            replaced      Close, Terminate, crumble
//	closed   ErrClosed    go on            go on            replaced      finish, when there is no call any more
//	broken   ErrBroken    ErrBroken        go on            given up      Close, Terminate
//	ending   as before    none, or fail    none, or fail    not replaced  finish, when there is no worker any more
//	over     as before                                                    finish, when there is no callback any more
//	gone     as before
//
// Terminate ends a pool at once; those that still wait for a worker then fail.
type life struct {
	refusal   error         // why no call comes in: closed, and all that follows
	cut       error         // why nobody gets a worker any more: broken, or terminated
	ending    bool          // no worker comes any more
	finishing bool          // finish has been started
	over      chan struct{} // closed when there is no call and no worker any more
	gone      chan struct{} // closed when no callback is left either
}

// Close stops the intake, and returns at once: new calls fail with ErrClosed, those that were made
// before are done, and with the last one the workers end. A worker that does not end then, because it
// is stopped or still at a task that was given up, is killed after the grace period. Join waits for
// all that. Close may be called again, from anywhere, and always returns nil.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal == nil {
		p.refusal = ErrClosed
	}
	p.finishOnce()
	return nil
}

// Join waits for the calls that were made before Close, for the end of all workers, and for the callbacks
// of futures; in such a callback, for all but callbacks. Errors: ErrNotClosed before Close, Shutdown or
// Terminate; ErrWithin in OnEvent's function and, if the pool is Local, in its tasks, for which it waits itself; that of ctx, when it is
// over first. It may be called again, by any goroutine. What is within another pool may wait for this one.
func (p *Pool) Join(ctx context.Context) error {
	p.mu.Lock()
	closed := p.finishing
	p.mu.Unlock()
	if !closed {
		return ErrNotClosed
	}
	select {
	case <-p.gone:
		return nil
	default:
	}
	end := p.gone
	for m := range marks() {
		switch m {
		case p.mark(inEvent), p.mark(inTask):
			return ErrWithin
		case p.mark(inCallback):
			end = p.over
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-end:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown is Close and Join.
func (p *Pool) Shutdown(ctx context.Context) error {
	_ = p.Close()
	return p.Join(ctx)
}

// Terminate kills the workers now, and returns at once: calls under way fail with *WorkerDied, those
// that wait for a worker and new ones with ErrClosed. Join waits until everything is gone. Terminate
// may be called again, from anywhere.
func (p *Pool) Terminate() {
	p.cutOff(ErrClosed)
	p.end()
	p.kill() // first: finish lets those end in order that are left
	p.mu.Lock()
	p.finishOnce()
	p.mu.Unlock()
}

// cutOff lets no new call in, and none get a worker that waits for one.
func (p *Pool) cutOff(why error) {
	p.mu.Lock()
	if p.refusal == nil {
		p.refusal = why
	}
	if p.cut == nil {
		p.cut = why
	}
	waiting := p.drop()
	p.mu.Unlock()
	for _, w := range waiting {
		w.dismiss(why)
	}
}

// end lets no worker come any more. What is being started would not be used.
func (p *Pool) end() {
	p.mu.Lock()
	p.ending = true
	if p.reviver != nil {
		p.reviver.Stop()
	}
	p.mu.Unlock()
	p.cancel()
}

// finishOnce starts finish. The pool's mu is held.
func (p *Pool) finishOnce() {
	if !p.finishing {
		p.finishing = true
		go p.finish()
	}
}

// finish waits for everything that is the pool's. No call comes anew. A call under way may need a
// worker, and leave a goroutine of the pool behind, so the calls come first.
func (p *Pool) finish() {
	p.calls.Wait()
	p.end()
	p.dropSpares()
	if p.grace >= 0 {
		defer time.AfterFunc(p.grace, p.kill).Stop()
	}
	p.each((*link).retire)
	p.keep.Wait()
	p.mu.Lock()
	unhook := p.unhook
	p.mu.Unlock()
	if unhook != nil {
		unhook()
	}
	close(p.over)
	p.callbacks.drain()
	close(p.gone)
}

// each calls do with every worker.
func (p *Pool) each(do func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		if l != nil {
			do(l)
		}
	}
	for _, l := range p.extra {
		if l != starting {
			do(l)
		}
	}
}

func (p *Pool) kill() {
	p.each((*link).kill)
}
