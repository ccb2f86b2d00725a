package pool

import (
	"testing"
	"time"
)

// Waiters is how many wait for a worker.
func Waiters(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.turns.any.Len()
	for _, queue := range p.pinned {
		n += queue.Len()
	}
	return n
}

// ReviveAfter has places that were given up tried again so soon, until the test is over. It comes before the test's pools, and so ends after them.
func ReviveAfter(t testing.TB, pause time.Duration) {
	before := revivalPause
	revivalPause = pause
	t.Cleanup(func() { revivalPause = before })
}
