package pool

import (
	"container/list"
	"context"
)

// nesting is what a pool has for nested calls, under its mu.
type nesting struct {
	asked   [maxDepth + 1]list.List // of waiter: nested calls, by depth; the deepest first, and all before turns.any
	blocked int                     // workers whose tasks have made nested calls
	extras  int                     // workers that make up for them, those that are being started included
	extra   map[int]*link           // by ID, and former ones that have not ended yet
}

// firstHelper is the first ID of a worker that makes up for a blocked one.
const firstHelper = maxWorkers

// helps reports whether the worker makes up for a blocked one.
func (l *link) helps() bool { return l.id >= firstHelper }

// starting stands in extra for one that is not ready yet, or again.
var starting = new(link)

// acquireNested takes a worker for a call of that depth.
func (p *Pool) acquireNested(ctx context.Context, depth int) (*link, error) {
	return p.acquireIn(ctx, &p.asked[depth], func() {
		if p.extras < p.blocked {
			p.makeUp()
		}
	})
}

// popAsked takes the first of the deepest calls out of the queue, nil if there is none. The pool's mu is held.
func (p *Pool) popAsked() waiter {
	for depth := maxDepth; depth > 0; depth-- {
		if w := pop(&p.asked[depth]); w != nil {
			return w
		}
	}
	return nil
}

// makeUp starts a worker in place of one that is blocked. The pool's mu is held, and a call is under way.
func (p *Pool) makeUp() {
	id := firstHelper
	for p.extra[id] != nil {
		id++
	}
	if p.extra == nil {
		p.extra = make(map[int]*link)
	}
	p.extra[id] = starting
	p.extras++
	p.keep.Go(func() { p.replace(id, 0, nil) })
}

// unblock is the end of a call that has made nested ones.
func (p *Pool) unblock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked--
	p.watch()
}

// unneeded reports whether the place of a worker that is gone stays empty, because it made up for another
// one, and that is not blocked any more.
func (p *Pool) unneeded(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !l.helps():
		return false
	case l.surplus:
	case p.extras > p.blocked:
		p.extras--
	default:
		return false
	}
	delete(p.extra, l.id)
	return true
}

// giveUpExtra is giveUpWorker for one that would make up for another. Those that it is there for cannot
// count on others: they fail, with err.
func (p *Pool) giveUpExtra(id int, err, why error) {
	p.mu.Lock()
	p.extras--
	delete(p.extra, id)
	var waiting []waiter
	for w := p.popAsked(); w != nil; w = p.popAsked() {
		waiting = append(waiting, w)
	}
	over := p.stopped()
	p.mu.Unlock()
	for _, w := range waiting {
		w.dismiss(err)
	}
	if !over {
		p.tell(Event{Kind: WorkerGivenUp, ID: id, Err: why})
	}
}
