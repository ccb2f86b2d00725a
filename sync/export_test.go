package sync

import "context"

// Queued is how many goroutines of this process wait.
func (s *Semaphore) Queued() int { return s.point.Queued() }

// Waited reports whether somebody may be asleep on the lock.
func (m *Mutex) Waited() bool { return m.lock.Waited() }

// QueuedAtEvent is how many goroutines of this process wait.
func QueuedAtEvent(e *Event) int { return e.point.Queued() }

// EventWaited reports whether somebody may be asleep.
func EventWaited(e *Event) bool { return e.state.event.Asleep() }

// Urgent reports whether somebody starves for the lock.
func Urgent(m *Mutex) bool { return m.lock.Urgent() }

// Waiting is how many goroutines of all processes wait.
func Waiting(c *Cond) uint64 { return c.state.info(c.seg).Waiting }

// Rows is how many rows a Cond has.
func Rows(c *Cond) int { return len(c.ledger.rows()) }

// Come comes to the Barrier, as Wait does. What it returns is the rest of that, for who is stopped between the two.
func Come(ctx context.Context, b *Barrier) (rest func() error, err error) {
	r, err := b.ledger.own()
	if err != nil {
		return nil, err
	}
	a, err := b.arrive(ctx, r, false)
	return func() error { return b.pass(ctx, a.phase, r) }, err
}

// ComeTo has a goroutine wait for the Cond's signal, as Wait does, that is stopped before it looks. What it returns is that look.
func ComeTo(c *Cond) (heed func() bool, err error) {
	r, err := c.ledger.own()
	if err == nil {
		c.ledger.enlist(r)
	}
	return func() bool { return c.ledger.heed(r) }, err
}

// RWWaiting is how many goroutines of this process wait for the lock, whatever for.
func RWWaiting(m *RWMutex) int {
	return m.lock.Point().Queued() + m.readers.Queued() + m.writer.Queued()
}

// BarrierWaited reports whether somebody who has come may be asleep.
func BarrierWaited(b *Barrier) bool { return b.state.event.Asleep() }
