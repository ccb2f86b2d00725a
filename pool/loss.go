package pool

import (
	"context"
	"errors"
)

// halfSent: the ring has half a request, and can be used no further.
type halfSent struct{ error }

func (e *halfSent) Unwrap() error { return e.error }

// end is what becomes of the calls under way when they cannot go on.
func (s *sitting) end(err error) {
	var half *halfSent
	over := s.ctx.Err()
	if over == nil || !errors.Is(err, over) {
		s.lose(err)
		return
	}
	s.leave(over)
	l := s.link
	if errors.As(err, &half) {
		l.helped() // half a request is not the worker's fault
		l.pool.keep.Go(func() { l.mourn(s.call, err) })
		return
	}
	l.state.cancelled.Store(s.last)
	l.cancels.Broadcast()
	l.pool.keep.Go(s.abandoned)
}

// leave settles what is under way: nobody waits for it any more.
func (s *sitting) leave(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
	s.messages = s.messages[:s.sent] // the others are not sent, and will not be
	s.cut = s.last
	s.link.state.withdrawn.Store(s.cut)
	n := s.underWay()
	for _, b := range s.flying {
		b.give(int(max(s.next, b.first)-b.first), why)
	}
	s.link.leaving(s.call, n)
}

// abandoned reads what comes until the worker is at its end with it, or the grace period is over.
func (s *sitting) abandoned() {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if s.link.pool.grace >= 0 {
		ctx, cancel = context.WithTimeout(ctx, s.link.pool.grace)
	}
	defer cancel()
	for {
		s.mu.Lock()
		answered := len(s.messages) == 0
		s.mu.Unlock()
		if answered {
			break
		}
		if err := s.read(ctx); err != nil {
			s.link.mourn(s.call, err)
			s.link.underWay.Store(0)
			return
		}
	}
	s.link.underWay.Store(0)
	s.leaveLink()
}

// reckon is called when the process is gone, with what it has left, before anybody uses that: it says which call was begun, and
// takes the results of those that were made.
func (s *sitting) reckon(c *call, state *workerState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	id, _ := s.claim(readClaims(state))
	if c.fault == nil {
		if err := s.outbox(readOutbox(state)); err != nil {
			c.fault = err
		}
	}
	if c.fault != nil {
		id = s.next // the claim of a worker that breaks the protocol proves nothing
	}
	for _, b := range s.flying {
		if id >= s.next && id-b.first < uint64(b.n) {
			c.id, c.begun, c.attempt = id, true, b.attempt
			c.saw = b.load.input(int(id - b.first))
		}
	}
}

// lose gives the worker up, and settles what it had begun.
func (s *sitting) lose(err error) {
	s.link.mourn(s.call, err)
	s.link.underWay.Store(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := uint64(0) // the newest id that the worker has come to know
	if s.sent > 0 {
		sent = s.messages[s.sent-1].last
	}
	flying := s.flying
	s.flying = nil
	for _, b := range flying {
		if b.first < s.next {
			rest := b.split(int(s.next - b.first))
			b.done()
			b = rest
		}
		s.bury(b, sent)
	}
}

// bury settles what of the batch was begun, and gives the rest back. Nothing of it is settled. The sitting's mu is held.
func (s *sitting) bury(b *batch, sent uint64) {
	c := s.call
	for b.n > 0 {
		// The claim of a worker that breaks the protocol proves nothing.
		all := c.fault != nil && b.first <= sent
		if !all && (c.fault != nil || !c.begun || c.id < b.first || c.id >= b.first+uint64(b.n)) {
			s.source.again(b)
			return
		}
		if at := int(c.id - b.first); !all && at > 0 {
			rest := b.split(at)
			s.source.again(b)
			b = rest
		}
		rest := b.split(1)
		s.fell(b)
		b = rest
	}
}

// fell is what becomes of a call that was begun by a worker that is gone.
func (s *sitting) fell(b *batch) {
	p := s.link.pool
	c := *s.call
	c.attempt = b.attempt
	died := s.link.died(&c)
	if b.attempt <= p.retry && !p.fragile {
		b.attempt++
		b.died = died
		s.source.again(b)
		return
	}
	b.fail(0, p.broken(died))
	b.done()
}
