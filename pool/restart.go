package pool

import (
	"errors"
	"fmt"
	"time"
)

// RestartLimit bounds how many workers are replaced within any time of that length, in the whole pool: with the next
// one that dies, the pool is broken (ErrBroken), whatever the workers died of. N is at least 0, per more than 0. Without it there is no
// such limit. Workers that are taken away in order do not count, nor do starts that fail: those are bounded as WorkerGivenUp says.
func RestartLimit(n int, per time.Duration) Option {
	return func(o *options) {
		if n < 0 || per <= 0 {
			o.refuse("%w: RestartLimit(%d, %v)", ErrOption, n, per)
			return
		}
		o.restarts, o.per = n, per
	}
}

// BreakOnDeath breaks the pool with the first worker that dies: calls under way and all that follow fail
// with ErrBroken, and with the *WorkerDied of that worker; the other workers are killed. It is for tasks that make sense together only. Retry has no
// effect then.
func BreakOnDeath() Option { return func(o *options) { o.fragile = true } }

// mayReplace counts a death, and reports whether the worker may be replaced.
func (p *Pool) mayReplace(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaths++
	if p.per == 0 {
		return true
	}
	for len(p.recent) > 0 && now.Sub(p.recent[0]) > p.per {
		p.recent = p.recent[1:]
	}
	if len(p.recent) >= p.restarts {
		return false
	}
	p.recent = append(p.recent, now)
	return true
}

// shatter breaks a pool that breaks with the first death, that of l, which had the call c, or none. Nobody is told yet.
func (p *Pool) shatter(l *link, c *call) {
	if c == nil {
		c = &call{}
	}
	p.cutOff(fmt.Errorf("%w: %w", ErrBroken, l.died(c)))
	p.kill()
}

// succeed sees to it that somebody takes the place of l, which died, unless it is not needed.
func (p *Pool) succeed(l *link, unneeded bool) {
	switch {
	case !p.mayReplace(time.Now()):
		p.crumble(fmt.Errorf("%w: more than %d died within %v; the last: %w", ErrBroken, p.restarts, p.per, l.end()))
	case unneeded:
	default:
		barren := 0
		if l.inVain() {
			barren = l.barren + 1
		}
		p.replace(l.id, barren, l.end())
	}
}

// crumble breaks the pool.
func (p *Pool) crumble(why error) {
	p.cutOff(why)
	p.tell(Event{Kind: PoolBroken, Err: why})
}

// broken is the error of a call whose worker died, and that is not begun again. That worker may be the first, or one that
// was killed because another one died.
func (p *Pool) broken(died *WorkerDied) error {
	if !p.fragile {
		return died
	}
	switch why := p.why(); {
	case why == nil:
		return fmt.Errorf("%w: %w", ErrBroken, died)
	case errors.Is(why, ErrBroken):
		return why
	default:
		return died
	}
}
