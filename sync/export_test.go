package sync

// Queued is how many goroutines of this process wait.
func (s *Semaphore) Queued() int { return s.point.Queued() }

// Waited reports whether somebody may be asleep on the lock.
func (m *Mutex) Waited() bool { return m.lock.Waited() }
