package pool

import (
	"fmt"
	"slices"
	"time"
)

// heed does what the worker's message says, if it is complete, and reports whether a batch is done.
func (s *sitting) heed(complete bool) (done bool, err error) {
	h, payload := &s.link.reply.head, s.link.reply.payload
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) == 0 || s.sent == 0 || h.id < s.messages[0].first || h.id > s.messages[0].last {
		return false, fmt.Errorf("message about call %d, which is not under way: %w", h.id, errProtocol)
	}
	if h.outcome >= outcomes && (h.outcome < askCall || h.outcome > replyRow) {
		return false, fmt.Errorf("reply of kind %d: %w", h.outcome, errProtocol)
	}
	if !complete {
		return false, nil
	}
	before := len(s.flying)
	switch h.outcome {
	case askCall, askCancel:
		if s.link.nest != nil && s.nestOf != h.id {
			s.link.endNest()
		}
		s.nestOf = h.id
		return false, s.link.heed(s.call)
	case replySeveral, replyRow:
		if h.task > 0 && h.when > 0 {
			s.took = max(time.Duration(h.when)/time.Duration(h.task), 1)
		}
		if h.outcome == replyRow {
			err = s.row(h.id, h.task, payload)
		} else {
			err = s.several(h.id, h.task, payload)
		}
	case replyWithdrawn:
		err = s.returned(h.id)
	default:
		err = s.outcome(h.id, h.outcome, payload)
	}
	s.link.endNest()
	if len(s.messages) > 0 && s.next > s.messages[0].last {
		s.answered()
	}
	return len(s.flying) < before, err
}

// answered takes the oldest message off. The sitting's mu is held.
func (s *sitting) answered() {
	s.messages = s.messages[1:]
	s.sent--
}

// several are outcomes of calls from id on. Those that withdraw found in the outbox come again. The sitting's mu is held.
func (s *sitting) several(id, n uint64, row []byte) error {
	if n == 0 {
		return fmt.Errorf("no outcomes from call %d on: %w", id, errProtocol)
	}
	for ; n > 0; n-- {
		b, outcome, rest, err := nextFrame(row)
		if err != nil {
			return err
		}
		if id >= s.next {
			if err := s.outcome(id, outcome, b); err != nil {
				return err
			}
		}
		row = rest
		id++
	}
	if len(row) > 0 {
		return fmt.Errorf("%d bytes behind the outcomes: %w", len(row), errProtocol)
	}
	return nil
}

// row are results of calls from id on: see several. The sitting's mu is held.
func (s *sitting) row(id, n uint64, row []byte) error {
	if n == 0 || n > uint64(len(row)) || uint64(len(row))%n != 0 {
		return fmt.Errorf("%d bytes, for %d results from call %d on: %w", len(row), n, id, errProtocol)
	}
	size := uint64(len(row)) / n
	if had := min(n, s.next-min(id, s.next)); had > 0 {
		id, n, row = id+had, n-had, row[had*size:]
	}
	for n > 0 {
		if err := s.due(id); err != nil {
			return err
		}
		b := s.flying[0]
		some := min(n, b.first+uint64(b.n)-id, s.messages[0].last+1-id)
		if !s.left {
			b.settleRow(int(id-b.first), int(some), int(size), row[:some*size])
		}
		s.advance(int(some))
		id, n, row = id+some, n-some, row[some*size:]
	}
	return nil
}

// due is an error if it is not the outcome of that call that is to come next. The sitting's mu is held.
func (s *sitting) due(id uint64) error {
	if id != s.next || id > s.messages[0].last {
		return fmt.Errorf("reply to call %d, the next is %d: %w", id, s.next, errProtocol)
	}
	if len(s.flying) == 0 || id-s.flying[0].first >= uint64(s.flying[0].n) {
		return fmt.Errorf("reply to call %d, which was withdrawn: %w", id, errProtocol)
	}
	return nil
}

// outcome is that of the next call. The sitting's mu is held.
func (s *sitting) outcome(id uint64, outcome uint32, payload []byte) error {
	if outcome >= outcomes {
		return fmt.Errorf("reply of kind %d to call %d: %w", outcome, id, errProtocol)
	}
	if err := s.due(id); err != nil {
		return err
	}
	b := s.flying[0]
	if outcome != outcomeResult {
		b.failed++
	}
	if !s.left {
		b.settle(int(id-b.first), outcome, payload)
	}
	s.advance(1)
	return nil
}

// advance counts so many calls of the oldest batch that are settled. The sitting's mu is held.
func (s *sitting) advance(n int) {
	b := s.flying[0]
	s.next += uint64(n)
	s.useful = true
	s.link.underWay.Add(-int64(n))
	if s.next == b.first+uint64(b.n) {
		s.land()
	}
}

// land is the end of the oldest batch. The sitting's mu is held.
func (s *sitting) land() {
	b := s.flying[0]
	s.flying = slices.Delete(s.flying, 0, 1)
	if s.left {
		return
	}
	now := time.Now()
	l := s.link
	l.pool.mu.Lock()
	l.worked = true
	l.tally.done += uint64(b.n - b.failed)
	l.tally.failed += uint64(b.failed)
	l.tally.latency.add(now.Sub(b.since), uint64(b.n))
	l.pool.mu.Unlock()
	if s.took == 0 { // the worker has not measured it
		from := s.landed
		if b.since.After(from) {
			from = b.since
		}
		s.took = now.Sub(from) / time.Duration(b.n)
	}
	s.landed = now
	s.source.measured(s.took)
	s.took = 0
	b.done()
}
