package pool

import (
	"context"
	"fmt"
	"time"
)

// several is a request of more than one call, while the worker serves it.
//
//	a call of it   what moves it on                                           to
//	sent           it is the first, and the request is claimed                claimed
//	sent           the result before it is in the outbox, or that is emptied  claimed
//	claimed        it is not withdrawn                                        begun
//	claimed        it is withdrawn: replyWithdrawn                            (the parent's again, and those behind it)
//	begun          its result is in the outbox: the word results              made
//	begun          an outcome that has no place there is committed as a reply replied to
//	made           the outbox is committed as a reply: replyRow, replySeveral replied to
//
// Each move is one store, and one store makes a result and claims the call behind it. So when the worker is dead, its replies are drained and its
// outbox is read, what has no result was begun if and only if it is claimed, but for one that was claimed and not begun yet: see (*sitting).claim.
//
// Results of a flat type are a row in the outbox, without more. From the first other outcome of a request on there are frames.
type several struct {
	child   *child
	task    *registered
	when    int64  // the deadline, as in a head
	at, end uint64 // ids: of the call that is next, and behind the last
	inputs  []byte
	from    int // where in them that of the call at begins

	first uint64    // whose result is the first in the outbox; those up to at are there
	used  int       // in how many bytes
	most  int       // that may be
	row   bool      // they are a row
	since time.Time // when the first of them was begun
	err   error
}

// serveSeveral runs the calls of the request that was received. It reports whether this goroutine lives on.
func (c *child) serveSeveral(ctx context.Context, t *registered) bool {
	h := c.in.head
	s := &c.several
	*s = several{
		child: c, task: t, when: h.when, at: h.id, end: h.id + uint64(h.outcome), inputs: c.in.payload,
		most: int(min(outboxSize, max(c.limit, leastLimit))),
	}
	s.row = t.out > 0 && t.out <= s.most && uint64(t.out) <= c.limit
	if t.in > 0 && len(s.inputs) != t.in*int(h.outcome) {
		s.err = fmt.Errorf("%d bytes, for %d inputs of %d: %w", len(s.inputs), h.outcome, t.in, errProtocol)
	}
	s.keep(h.id)
	s.since = time.Now()
	return s.run(ctx)
}

// run makes the calls that are left, and commits what is left of their results.
func (s *several) run(ctx context.Context) bool {
	for s.at < s.end && s.err == nil {
		if !s.some(ctx) {
			return false
		}
	}
	s.child.contexts.settle(s.at)
	if s.err == nil {
		s.flush(ctx)
	}
	if s.err != nil {
		s.child.ended <- orderly(s.err)
		return false
	}
	s.child.in.payload = kept(s.child.in.payload)
	return true
}

// some makes calls until there are none, or one panics. It reports false if one has ended its goroutine: then another one goes on.
func (s *several) some(ctx context.Context) (lives bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if under := s.child.contexts.places[s.at%contextsKept]; under != nil {
			s.child.cancels.end(under)
		}
		if v := recover(); v != nil {
			s.made(ctx, panicked(nil, v), outcomePanic)
			lives = true
			return
		}
		s.made(ctx, []byte(goexitText), outcomeError)
		go func() {
			if s.run(ctx) {
				s.child.loop(ctx)
			}
		}()
	}()
	if s.row && s.task.row != nil {
		s.task.row(ctx, s)
	}
	for s.at < s.end && s.err == nil && !s.withdrawn(ctx) {
		input := s.input()
		if s.err != nil {
			break
		}
		under := s.child.contexts.of(s.at, s.when)
		payload, outcome := s.task.run(under, input, s.room())
		s.child.cancels.endOf(under)
		s.made(ctx, payload, outcome)
	}
	returned = true
	return true
}

// withdrawn reports whether the next call, which is claimed, is not to be begun.
func (s *several) withdrawn(ctx context.Context) bool {
	if s.child.state.withdrawn.Load() < s.at { // pairs with the store in (*sitting).withdraw, the claim before it with the load there
		return false
	}
	s.withdraw(ctx)
	return true
}

// input is that of the next call.
func (s *several) input() []byte {
	if n := s.task.in; n > 0 {
		s.from += n
		return s.inputs[s.from-n : s.from]
	}
	input, _, rest, err := nextFrame(s.inputs[s.from:])
	s.err, s.from = err, len(s.inputs)-len(rest)
	return input
}

// lead is how many bytes stand before a result in the outbox.
func (s *several) lead() int {
	if s.row {
		return 0
	}
	return frameSize
}

// room is where a result goes: its place in the outbox, or elsewhere, if it does not fit.
func (s *several) room() []byte {
	at := s.used + s.lead()
	if at > s.most {
		return nil
	}
	return s.child.state.outbox[at:at:s.most]
}

// made puts the outcome of the call that was made into the outbox, or commits it, if it is too large for that.
func (s *several) made(ctx context.Context, payload []byte, outcome uint32) {
	payload, outcome = fitted(payload, outcome, s.child.limit)
	if s.row && outcome != outcomeResult {
		s.flush(ctx)
		s.row = false
	}
	if s.lead()+len(payload) > s.most-s.used {
		s.flush(ctx)
		if s.lead()+len(payload) > s.most && s.err == nil {
			s.err = s.child.commit(ctx, s.at, payload, outcome)
			s.at++
			s.keep(s.at)
			return
		}
	}
	if s.err != nil {
		return
	}
	frame := s.child.state.outbox[s.used : s.used+s.lead()+len(payload)]
	copy(frame[s.lead():], payload) // nothing, if it was made there
	if !s.row {
		putFrame(frame, outcome)
	}
	s.put(len(frame))
}

// failed is made for a call that returned an error.
func (s *several) failed(ctx context.Context, err error) {
	payload, outcome := tell(nil, err)
	s.made(ctx, payload, outcome)
}

// put is the result of the call that was made: it is in the outbox, in so many bytes more. From then on the call behind it is claimed.
func (s *several) put(size int) {
	s.used += size
	s.at++
	s.child.publish(&s.child.state.results, s.results()) // pairs with the loads in readOutbox and readClaims
}

// results says what is in the outbox.
func (s *several) results() uint64 { return resultsOf(s.row, int(s.at-s.first), s.used) }

// keep empties the outbox, for results from id on. That call is claimed, if there is one.
func (s *several) keep(id uint64) {
	s.first, s.used = id, 0
	s.child.state.results.Store(0)
	s.child.state.kept.Store(id)
}

// flush commits what is in the outbox.
func (s *several) flush(ctx context.Context) {
	if s.used == 0 || s.err != nil {
		return
	}
	now := time.Now()
	h := head{id: s.first, task: s.at - s.first, outcome: replySeveral, when: int64(now.Sub(s.since))}
	if s.row {
		h.outcome = replyRow
	}
	s.since = now
	s.child.claim((s.at - 1) | returned)
	if _, s.err = send(ctx, s.child.replies, s.child.record, &h, s.child.state.outbox[:s.used]); s.err == nil {
		s.keep(s.at)
	}
}

// withdraw gives the calls that are left back to the parent.
func (s *several) withdraw(ctx context.Context) {
	s.child.contexts.settle(s.at)
	s.flush(ctx)
	if s.err == nil {
		_, s.err = send(ctx, s.child.replies, s.child.record, &head{id: s.at, outcome: replyWithdrawn}, nil)
	}
	s.at = s.end
}
