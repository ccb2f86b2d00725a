package pool

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
