package pool

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"time"
)

// waiter waits for a worker: a caller in acquire, or a future, for which no goroutine waits.
type waiter interface {
	// take is called with the worker that it got, under the pool's mu.
	take(l *link)
	// dismiss is called, under no lock, when it will get none.
	dismiss(why error)
}

// turns are those who wait for workers, under the pool's mu.
type turns struct {
	any    list.List          // of waiter, for any worker, in the order in which they came
	pinned map[int]*list.List // of turn, likewise for one; they come before the others
	given  map[int]error      // why a worker was given up, by ID, until one is there again, or Resize
}

// errTaken: Resize took away the worker that a Broadcast waits for. Turns are told of it under the pool's mu.
var errTaken = errors.New("pool: the worker was taken away")

// turn is a caller that waits.
type turn chan granted

// granted is what a caller has waited for.
type granted struct {
	l   *link
	err error
}

func (t turn) take(l *link)      { t <- granted{l: l} }
func (t turn) dismiss(why error) { t <- granted{err: why} }

// acquire takes a worker that is idle, or waits for one in the order in which callers came.
func (p *Pool) acquire(ctx context.Context) (*link, error) {
	return p.acquireIn(ctx, &p.turns.any, func() {})
}

// acquireIn is acquire for who waits in that queue. Before it waits, it calls lack, with the pool's mu held.
func (p *Pool) acquireIn(ctx context.Context, queue *list.List, lack func()) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if l := p.takeIdle(); l != nil {
		p.mu.Unlock()
		return l, nil
	}
	if err := p.cut; err != nil {
		p.mu.Unlock()
		return nil, err
	}
	lack()
	return p.await(ctx, queue)
}

// takeIdle takes the worker that has been idle for the shortest time, nil if none is. The pool's mu is held.
func (p *Pool) takeIdle() *link {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	l := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return l
}

// acquireFrom takes the worker with that ID, when it is idle, before those who take any.
func (p *Pool) acquireFrom(ctx context.Context, id int) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if i := slices.IndexFunc(p.idle, func(l *link) bool { return l.id == id }); i >= 0 {
		l := p.idle[i]
		p.idle = slices.Delete(p.idle, i, i+1)
		p.mu.Unlock()
		return l, nil
	}
	err := p.cut
	switch {
	case err != nil:
	case id >= p.size:
		err = errTaken
	case p.slots[id] == slotGiven:
		err = p.given[id]
	}
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	if p.slots[id] == slotEmpty {
		p.fill(id, nil)
	}
	queue := p.pinned[id]
	if queue == nil {
		queue = new(list.List)
		if p.pinned == nil {
			p.pinned = make(map[int]*list.List)
		}
		p.pinned[id] = queue
	}
	return p.await(ctx, queue)
}

// await waits at the end of the queue. The pool's mu is held, and released meanwhile and after.
func (p *Pool) await(ctx context.Context, queue *list.List) (*link, error) {
	t := make(turn, 1)
	place := queue.PushBack(t)
	p.demand()
	p.mu.Unlock()
	select {
	case got := <-t:
		return got.l, got.err
	case <-ctx.Done():
		if !p.leave(queue, &place) {
			// What it got at the last moment goes to the next.
			if got := <-t; got.l != nil {
				p.release(got.l, false, false)
			}
		}
		return nil, ctx.Err()
	}
}

// leave takes a waiter out of the queue. place is under the pool's mu. It reports false if the waiter is
// not there.
func (p *Pool) leave(queue *list.List, place **list.Element) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := *place
	if e == nil || e.Value == nil {
		return false
	}
	queue.Remove(e)
	e.Value = nil
	return true
}

// pop takes the first waiter out of the queue, nil if there is none. The pool's mu is held.
func pop(queue *list.List) waiter {
	first := queue.Front()
	if first == nil {
		return nil
	}
	w, _ := queue.Remove(first).(waiter)
	first.Value = nil
	return w
}

// next takes out of the queues who gets the worker with that ID. The pool's mu is held.
func (p *Pool) next(id int) waiter {
	if queue := p.pinned[id]; queue != nil {
		if w := pop(queue); w != nil {
			return w
		}
		delete(p.pinned, id)
	}
	if p.blocked > 0 {
		if w := p.popAsked(); w != nil {
			return w
		}
	}
	return pop(&p.turns.any)
}

// drop takes everybody out of the queues. The pool's mu is held.
func (p *Pool) drop() (all []waiter) {
	for id := range p.pinned {
		all = append(all, p.dropPinned(id)...)
	}
	for w := p.popAsked(); w != nil; w = p.popAsked() {
		all = append(all, w)
	}
	for w := pop(&p.turns.any); w != nil; w = pop(&p.turns.any) {
		all = append(all, w)
	}
	return all
}

// dropPinned takes those out of the queues who wait for the worker with that ID. The pool's mu is held.
func (p *Pool) dropPinned(id int) (all []waiter) {
	if queue := p.pinned[id]; queue != nil {
		for w := pop(queue); w != nil; w = pop(queue) {
			all = append(all, w)
		}
		delete(p.pinned, id)
	}
	return all
}

// release settles the call that l has, if it has one, and makes it take the next task, unless its process is gone, it has done its share, or
// there are too many.
func (p *Pool) release(l *link, replied, spent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.settle(replied)
	l.clear()
	if !p.has(l) || l.retired {
		return
	}
	if (spent || !l.helps() && l.id >= p.size) && !p.stopped() {
		l.dismiss()
		return
	}
	if w := p.next(l.id); w != nil {
		w.take(l)
		return
	}
	if p.elastic || l.helps() {
		l.since = time.Now()
	}
	p.idle = append(p.idle, l)
}

// withdraw takes a worker whose process is gone out of the pool.
func (p *Pool) withdraw(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.has(l):
	case l.helps():
		p.extra[l.id] = starting
	default:
		p.links[l.id] = nil
		p.place(l.id, slotStarting)
	}
	if l.doom != nil {
		l.doom.Stop()
	}
	if i := slices.Index(p.idle, l); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
}

// sitOn reports whether l may have the next work of those who have it already: nobody else waits for a worker.
func (p *Pool) sitOn(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusal == nil && p.has(l) && p.queued() == 0 && (l.helps() || l.id < p.size)
}
