package pool

import (
	"fmt"
	"time"
)

// revivalPause is how long places that were given up stay empty before they are tried again, with one process each. One timer sees to all of
// them; there is none while no place is given up.
var revivalPause = 10 * time.Second

// giveUpWorker leaves a worker's place empty, for the time being. With the last one, the pool is broken; but it reports false, and nothing has
// happened, if that is one that was on trial: it is tried as often as any.
func (p *Pool) giveUpWorker(id, barren int, why error) bool {
	err := fmt.Errorf("%w: %d in a row ended at once, for each; the last: %w", ErrBroken, maxBarren+1, why)
	if id >= firstHelper {
		p.giveUpExtra(id, err, why)
		return true
	}
	p.mu.Lock()
	if p.stopped() {
		p.mu.Unlock()
		return true
	}
	if id >= p.size {
		p.vacate(id)
		p.mu.Unlock()
		return true
	}
	last := p.count(slotTaken)+p.count(slotStarting) == 1
	if last && barren == failedTrial {
		p.mu.Unlock()
		return false
	}
	waiting, again := p.leaveEmpty(id, err)
	if !last && p.reviver == nil {
		p.reviver = time.AfterFunc(revivalPause, p.revive)
	}
	p.mu.Unlock()
	for _, w := range waiting {
		w.dismiss(err)
	}
	switch {
	case last:
		p.crumble(err)
	case !again:
		p.tell(Event{Kind: WorkerGivenUp, ID: id, Err: why})
	}
	return true
}

// leaveEmpty takes note of why the place stays empty, and of whether that was known. It returns those who wait for this worker. The pool's mu is held.
func (p *Pool) leaveEmpty(id int, why error) (waiting []waiter, again bool) {
	if p.given == nil {
		p.given = make(map[int]error)
	}
	again = p.given[id] != nil
	p.given[id] = why
	p.place(id, slotGiven)
	return p.dropPinned(id), again
}

// revive has the places that were given up tried again. With Elastic they are empty like others: a call may need them.
func (p *Pool) revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reviver = nil
	if p.stopped() {
		return
	}
	p.reopen()
	p.fillFloor(nil)
	p.demand()
}

// reopen makes the places that were given up empty ones. The pool's mu is held.
func (p *Pool) reopen() {
	for id, s := range p.slots {
		if s == slotGiven {
			p.slots[id] = slotEmpty
		}
	}
	p.place(0, p.slots[0]) // counts anew
}
