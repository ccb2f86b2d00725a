package pool

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// several is a request of more than one call, while the worker serves it.
//
//	a call of it   what moves it on                                          to
//	sent           the worker claims it, and it is not withdrawn             begun
//	sent           the worker claims it, and it is withdrawn: replyWithdrawn  (the parent's again, and those behind it)
//	begun          its result is in the outbox: the word results             made
//	begun          a result too large for the outbox is committed as a reply replied to
//	made           the outbox is committed as a reply: replySeveral          replied to
//
// Each move is one store. So when the worker is dead, its replies are drained and its outbox is read, what has no result was begun if
// and only if it is claimed.
type several struct {
	child    *child
	task     *registered
	when     int64  // the deadline, as in a head
	at, end  uint64 // ids: of the call that is next, and behind the last
	inputs   []byte // of those from at on
	contexts []taskContext

	first uint64    // whose result is the first in the outbox
	n     int       // how many there are
	used  int       // and in how many bytes
	most  int       // that may be
	since time.Time // when the first of them was begun
	err   error
}

// serveSeveral runs the calls of the request that was received. It reports whether this goroutine lives on.
func (c *child) serveSeveral(ctx context.Context, t *registered) bool {
	h := c.in.head
	s := &c.several
	*s = several{
		child: c, task: t, when: h.when, at: h.id, end: h.id + uint64(h.outcome), inputs: c.in.payload, contexts: s.contexts,
		most: int(min(outboxSize, max(c.limit, leastLimit))),
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
	var tc *taskContext
	defer func() {
		if returned {
			return
		}
		s.child.cancels.end(tc)
		if v := recover(); v != nil {
			s.made(ctx, []byte(fmt.Sprint(v)+panicSeparator+string(debug.Stack())), outcomePanic)
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
	state := s.child.state
	for s.at < s.end && s.err == nil {
		state.claimed.Store(s.at) // pairs with the load in (*sitting).withdraw, this load with the store there
		if state.withdrawn.Load() >= s.at {
			s.withdraw(ctx)
			break
		}
		input, _, rest, err := nextFrame(s.inputs)
		if err != nil {
			s.err = err
			break
		}
		s.inputs = rest
		tc = s.context()
		payload, outcome := s.task.run(tc, input, s.room())
		s.child.cancels.end(tc)
		s.made(ctx, payload, outcome)
	}
	returned = true
	return true
}

// contextsAtOnce is for how many calls contexts are made at a time. What keeps one keeps the others.
const contextsAtOnce = 32

// context is that of the next call.
func (s *several) context() *taskContext {
	if len(s.contexts) == 0 {
		s.contexts = make([]taskContext, contextsAtOnce)
	}
	t := &s.contexts[0]
	s.contexts = s.contexts[1:]
	t.cancels, t.id, t.when = s.child.cancels, s.at, s.when
	return t
}

// room is where a result goes: behind its frame's begin in the outbox, or elsewhere, if it does not fit.
func (s *several) room() []byte {
	if s.used+frameSize > s.most {
		return nil
	}
	at := s.used + frameSize
	return s.child.state.outbox[at:at:s.most]
}

// made puts the outcome of the call that was made into the outbox, or commits it, if it is too large for that.
func (s *several) made(ctx context.Context, payload []byte, outcome uint32) {
	if size := uint64(len(payload)); size > s.child.limit {
		payload, outcome = tooLarge(size, s.child.limit), outcomeTooLarge
	}
	if frameSize+len(payload) > s.most-s.used {
		if s.n > 0 {
			s.flush(ctx)
		}
		if frameSize+len(payload) > s.most && s.err == nil {
			s.err = s.child.commit(ctx, s.at, payload, outcome)
			s.at++
			s.keep(s.at)
			return
		}
	}
	frame := s.child.state.outbox[s.used : s.used+frameSize+len(payload)]
	copy(frame[frameSize:], payload) // nothing, if it was made there
	putFrame(frame, outcome)
	s.used += len(frame)
	s.n++
	s.at++
	futex.Publish(&s.child.state.results, resultsOf(s.n, s.used)) // pairs with the load in (*sitting).outbox
}

// keep empties the outbox, for results from id on.
func (s *several) keep(id uint64) {
	s.first, s.n, s.used = id, 0, 0
	s.child.state.results.Store(0)
	s.child.state.kept.Store(id)
}

// flush commits what is in the outbox.
func (s *several) flush(ctx context.Context) {
	if s.n == 0 || s.err != nil {
		return
	}
	now := time.Now()
	h := head{id: s.first, task: uint64(s.n), outcome: replySeveral, when: int64(now.Sub(s.since))}
	s.since = now
	if _, s.err = send(ctx, s.child.replies, s.child.record, h, s.child.state.outbox[:s.used]); s.err == nil {
		s.keep(s.at)
	}
}

// withdraw gives the calls that are left back to the parent.
func (s *several) withdraw(ctx context.Context) {
	s.flush(ctx)
	if s.err == nil {
		_, s.err = send(ctx, s.child.replies, s.child.record, head{id: s.at, outcome: replyWithdrawn}, nil)
	}
	s.at = s.end
}
