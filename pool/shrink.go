package pool

import (
	"slices"
	"time"
)

// Workers that need not be there end when they have been idle for long: those that Elastic has let come, and those that made up for blocked
// ones. One timer sees to both.

// role tells the two apart.
type role int

const (
	regular role = iota
	helping
	roles
)

func (l *link) role() role {
	if l.helps() {
		return helping
	}
	return regular
}

// spare is how many workers of each role there are that need not be. The pool's mu is held.
func (p *Pool) spare() (n [roles]int) {
	n[helping] = p.extras - p.blocked
	if !p.elastic {
		return n
	}
	n[regular] = -p.floor()
	for _, l := range p.links {
		if l != nil && !l.retired {
			n[regular]++
		}
	}
	return n
}

// patienceWith is how long one of them may be idle.
func (p *Pool) patienceWith(r role) time.Duration {
	if r == helping {
		return extraIdle
	}
	return p.patience
}

// watch has the idle workers looked at when the first that need not be there may have been idle for long. The pool's mu is held.
func (p *Pool) watch() {
	if p.stopped() {
		return
	}
	for r, n := range p.spare() {
		if n > 0 {
			p.lookIn(p.patienceWith(role(r)))
		}
	}
}

// lookIn has them looked at then, or before. The pool's mu is held.
func (p *Pool) lookIn(d time.Duration) {
	at := time.Now().Add(d)
	switch {
	case p.watcher == nil:
		p.watcher = time.AfterFunc(d, p.shrink)
	case p.looks.IsZero() || at.Before(p.looks):
		p.watcher.Reset(d)
	default:
		return
	}
	p.looks = at
}

// shrink dismisses workers that have been idle for long. Of those that are busy it will see.
func (p *Pool) shrink() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks = time.Time{}
	if p.stopped() {
		return
	}
	now, spare := time.Now(), p.spare()
	var next [roles]time.Duration
	for r := range next {
		next[r] = p.patienceWith(role(r))
	}
	p.idle = slices.DeleteFunc(p.idle, func(l *link) bool {
		r := l.role()
		rest := p.patienceWith(r) - now.Sub(l.since)
		if spare[r] <= 0 || rest > 0 {
			next[r] = min(next[r], max(rest, time.Millisecond))
			return false
		}
		spare[r]--
		if r == helping {
			p.extras--
		}
		l.surplus = true
		l.dismiss()
		return true
	})
	for r, n := range spare {
		if n > 0 {
			p.lookIn(next[r])
		}
	}
}
