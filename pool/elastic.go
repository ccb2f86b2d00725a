package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Elastic lets the number of workers follow the demand: New starts minimum of them, from 0 to Workers; a call that finds none idle has
// one more started, up to Workers; and one that has been idle for so long ends in order, down to the minimum.
func Elastic(minimum int, idle time.Duration) Option {
	return func(o *options) {
		if minimum < 0 || idle <= 0 {
			o.refuse("%w: Elastic(%d, %v)", ErrOption, minimum, idle)
			return
		}
		o.elastic, o.minimum, o.patience = true, minimum, idle
	}
}

// slot is the state of a worker's place. Links has the worker itself, if it is ready.
//
//	state          what moves it on                                      to
//	slotEmpty      New, Resize, or a call that finds no idle worker      slotStarting
//	slotStarting   the worker is ready: seat                             slotTaken
//	slotStarting   six processes in a row were for nothing               slotGiven
//	slotTaken      the process is gone: keep                             slotStarting, if it is to be replaced
//	                                                                     slotEmpty, if not
//	slotGiven      Resize, whatever the size, or revive, after a pause   slotEmpty
//
// Places from the pool's size on are there until they are empty.
type slot int

const (
	slotEmpty slot = iota
	slotStarting
	slotTaken
	slotGiven
)

// place sets the state of a worker's place. The pool's mu is held.
func (p *Pool) place(id int, s slot) {
	p.slots[id] = s
	for n := len(p.slots); n > p.size && p.slots[n-1] == slotEmpty; n-- {
		p.slots, p.links = p.slots[:n-1], p.links[:n-1]
	}
	p.empty = p.count(slotEmpty)
}

// vacate makes a worker's place empty. A Broadcast that waits for the worker has another one started, or is told that there will be none. The
// pool's mu is held.
func (p *Pool) vacate(id int) {
	p.place(id, slotEmpty)
	switch {
	case p.pinned[id] == nil:
	case id < p.size && !p.stopped():
		p.fill(id, nil)
	default:
		for _, t := range p.dropPinned(id) {
			t.dismiss(errTaken)
		}
	}
}

// count counts the places below the pool's size that are in that state.
func (p *Pool) count(s slot) (n int) {
	for _, other := range p.slots[:min(p.size, len(p.slots))] {
		if other == s {
			n++
		}
	}
	return n
}

// floor is how many workers there are at least.
func (p *Pool) floor() int {
	if p.elastic {
		return min(p.minimum, p.size)
	}
	return p.size
}

// demand starts workers for callers who wait, as far as there is room. The pool's mu is held.
func (p *Pool) demand() {
	if p.empty == 0 || p.stopped() {
		return
	}
	for starting := p.count(slotStarting); starting < p.turns.any.Len() && p.empty > 0; starting++ {
		p.fill(slices.Index(p.slots, slotEmpty), nil)
	}
}

// fillFloor has as many workers started as there are to be at least, and reports how many those are: see fill. The pool's mu is held.
func (p *Pool) fillFloor(started chan<- error) (starts int) {
	for ; p.empty > 0 && p.size-p.empty < p.floor(); starts++ {
		p.fill(slices.Index(p.slots, slotEmpty), started)
	}
	return starts
}

// fill has a worker started in a place that is empty, on trial if one was given up there before. What becomes of it is told to
// started, if there is one, and then the first failure counts. The pool's mu is held.
func (p *Pool) fill(id int, started chan<- error) {
	p.place(id, slotStarting)
	why, barren := p.given[id], 0
	if why != nil {
		barren = onTrial
	}
	p.keep.Add(1)
	go func() {
		defer p.keep.Done()
		if started == nil {
			p.replace(id, barren, why)
			return
		}
		l, err := p.employ(id)
		if err == nil {
			p.seat(l)
		} else {
			p.mu.Lock()
			p.vacate(id)
			p.mu.Unlock()
		}
		started <- err
	}()
}

// refill sees to it that somebody takes the place of a worker that ended in order, if somebody is to.
func (p *Pool) refill(l *link) {
	p.mu.Lock()
	again := l.helps() || l.id < p.size && !l.surplus
	if !again {
		p.vacate(l.id)
		p.demand()
	}
	p.mu.Unlock()
	if again {
		p.replace(l.id, 0, nil)
	}
}

// wanted reports whether the place still is to be filled. If not, it is given back.
func (p *Pool) wanted(id int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stopped():
		return false
	case id < p.size || id >= firstHelper:
		return true
	}
	p.vacate(id)
	return false
}

// Resize changes how many workers there are, or may be with Elastic, from 1 to 4,096. Those that are more than before are ready when
// it returns; with Elastic they are started when there is something to do. Those that are too many end in order: idle
// ones now, the others when their task has come back; Resize does not wait for that. Workers that were given up are tried again at once.
//
// Errors: ErrWorkers; ErrClosed or ErrBroken; that of a start (see WorkerFailed), which is tried again when a call needs the worker; that of the context,
// and then the start goes on; errors.ErrUnsupported for the pool that Current returns, whose workers are not its own.
func (p *Pool) Resize(ctx context.Context, n int) error {
	if n < 1 || n > maxWorkers {
		return fmt.Errorf("%w: %d, 1 to %d are possible", ErrWorkers, n, maxWorkers)
	}
	if p.borrowed {
		return fmt.Errorf("pool: Resize by a task of the pool: %w", errors.ErrUnsupported)
	}
	p.mu.Lock()
	if err := p.refusal; err != nil {
		p.mu.Unlock()
		return err
	}
	p.resize(n)
	started := make(chan error, n)
	starts := p.fillFloor(started)
	p.demand()
	p.mu.Unlock()
	var failed error
	for range starts {
		select {
		case err := <-started:
			if failed == nil {
				failed = err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if failed != nil {
		return fmt.Errorf("pool: resize to %d workers: %w", n, failed)
	}
	return nil
}

// resize makes places, or takes them away. The pool's mu is held.
func (p *Pool) resize(n int) {
	p.size = n
	for len(p.slots) < n {
		p.slots, p.links = append(p.slots, slotEmpty), append(p.links, nil)
	}
	clear(p.given)
	p.idle = slices.DeleteFunc(p.idle, func(l *link) bool {
		over := l.id >= n && !l.helps()
		if over {
			l.dismiss()
		}
		return over
	})
	p.reopen()
}

// Size is how many workers the pool may have.
func (p *Pool) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}
