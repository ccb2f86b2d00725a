package pool

// Waiters is how many wait for a worker.
func Waiters(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}
