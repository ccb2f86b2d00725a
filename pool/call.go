package pool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// call is one attempt at a task, by one worker. It lies in the worker's link, which has one at a
// time, and is written under the pool's mu, by the caller and by keep. What begin wrote stays as it
// is while the call is under way, but for since.
type call struct {
	id      uint64
	task    string
	input   func(encoded []byte) any // decodes what the link's buf holds, for those who ask
	attempt int
	depth   int           // how many calls it is nested in
	since   time.Duration // from the pool's start; 0: it is being encoded, or just sent

	left  bool  // its caller gave it up
	lost  bool  // the worker died, or has to die, before its reply was complete
	fault error // lost: why it has to
	begun bool  // lost: it had claimed the call. Known when the link's gone is closed

	many *sitting // it stands for all calls of that; then it has an id, an attempt and what follows when one is lost that was begun
	saw  any      // its input
}

// Call runs the task with in on a worker and returns its result. It blocks until a worker is idle
// and has done it, or until ctx is over: then it returns the context's error, the task's context
// ends, and after the grace period its worker is killed (at once, if a large input was still on its
// way to it).
//
// Errors: those of the task (*TaskError, *PanicError), *WorkerDied, ErrUnencodable, ErrUndecodable,
// ErrTooLarge, ErrNotRegistered, ErrClosed, ErrBroken, and the context's. A task whose worker died,
// and that could not be begun again because the pool was closed or ctx is over meanwhile, has both
// errors.
func (t *Typed[In, Out]) Call(ctx context.Context, p *Pool, in In) (Out, error) {
	var out Out
	if t.err != nil {
		return out, t.err
	}
	l, err := p.admit(ctx, t.name, t.showing(&in))
	if err != nil {
		return out, err
	}
	defer p.calls.Done()
	err = p.persist(ctx, l, p.acquire, func(l *link, attempt int) error { return t.try(ctx, l, &in, &out, attempt) })
	return out, err
}

// persist has try made with l, or if that is nil with the worker that next returns, and with further ones as often as it takes.
func (p *Pool) persist(
	ctx context.Context, l *link, next func(context.Context) (*link, error), try func(l *link, attempt int) error,
) error {
	var died *WorkerDied
	for attempt := 1; ; l = nil {
		if l == nil {
			var err error
			if l, err = next(ctx); err != nil {
				if died != nil {
					err = fmt.Errorf("%w, and cannot begin it again: %w", died, err)
				}
				return err
			}
		}
		err := try(l, attempt)
		again, ok := err.(*WorkerDied)
		switch {
		case err == errNotBegun:
			// To another worker, whatever Retry says.
		case ok && attempt <= p.retry && !p.fragile:
			died = again
			attempt++
		case ok:
			return p.broken(again)
		default:
			return err
		}
	}
}

// errNotBegun: the worker died before it had claimed the call.
var errNotBegun = errors.New("worker lost before it began")

// try makes one attempt, by the worker of l, which is the caller's own until then.
func (t *Typed[In, Out]) try(ctx context.Context, l *link, in *In, out *Out, attempt int) error {
	own, replied := true, false
	defer func() {
		if own {
			l.release(replied)
		}
	}()
	if err := t.encode(l, in); err != nil {
		return err
	}
	if attempt > 1 {
		l.pool.tell(Event{Kind: TaskRetried, ID: l.id, Pid: l.pid(), Task: t.name, Input: *in, Attempt: attempt})
	}
	c := l.call
	if c == nil { // else admit has begun it
		c = l.begin(t.name, t.showing(in), attempt, 0)
	}
	h := head{id: c.id, task: t.hash, types: t.types}
	if at, ok := ctx.Deadline(); ok {
		h.when = at.UnixNano()
	}
	switch err := l.do(ctx, c, &h); err {
	case nil:
		replied = true
		err := t.result(l.reply.head.outcome, l.reply.payload, out)
		if err != nil {
			if over := overdue(ctx); over != nil && errors.Is(err, over) {
				return over // as if it had not come in time
			}
		}
		return err
	case errGivenUp:
		own = false
		return ctx.Err()
	default:
		return err
	}
}

// overdue is the error of a context that is over, or whose deadline has come, though its timer is late: the worker's may have been earlier.
func overdue(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && time.Now().UnixNano() >= at.UnixNano() {
		return context.DeadlineExceeded
	}
	return nil
}

// encode puts in into l's buffer.
func (t *Typed[In, Out]) encode(l *link, in *In) (err error) {
	l.buf, err = t.append(l.buf[:0], in, l.pool.limit)
	return err
}

// append writes in behind dst.
func (t *Typed[In, Out]) append(dst []byte, in *In, limit uint64) ([]byte, error) {
	if t.err != nil {
		return dst, t.err
	}
	b, err := appended(t.in, dst, in)
	if err == nil && uint64(len(b)) > limit {
		err = fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(b), limit)
	}
	if err != nil {
		return b, fmt.Errorf("pool: task %q: its input: %w", t.name, err)
	}
	return b, nil
}

// showing is what shows an input that is at hand, of which encode puts down the bytes.
func (t *Typed[In, Out]) showing(in *In) func(encoded []byte) any {
	if !t.alien {
		return t.show
	}
	v := *in
	return func([]byte) any { return v }
}

// decoded is the input that encode put down, nil if it cannot be read back, or only by a method of the program's own, which may be what the
// worker died of.
func (t *Typed[In, Out]) decoded(encoded []byte) any {
	var in In
	if t.alien || t.in.Decode(encoded, &in) != nil {
		return nil
	}
	return in
}

// result is what a reply says.
func (t *Typed[In, Out]) result(outcome uint32, payload []byte, out *Out) error {
	if outcome != outcomeResult {
		return failure(t.name, outcome, payload)
	}
	if t.out.Plain() { // runs no code of the user's
		return t.decode(payload, out)
	}
	return t.guardedResult(payload, out)
}

func (t *Typed[In, Out]) guardedResult(payload []byte, out *Out) (err error) {
	defer func() {
		// An UnmarshalBinary of the caller's that panics is a result that cannot be decoded.
		if v := recover(); v != nil {
			err = fmt.Errorf("pool: task %q: its result: %w: panic: %v", t.name, ErrUndecodable, v)
		}
	}()
	return t.decode(payload, out)
}

func (t *Typed[In, Out]) decode(payload []byte, out *Out) error {
	if err := t.out.Decode(payload, out); err != nil {
		return fmt.Errorf("pool: task %q: its result: %w: %w", t.name, ErrUndecodable, err)
	}
	return nil
}

// errGivenUp: the context is over, and the link is no longer the caller's.
var errGivenUp = errors.New("given up")

// begin makes that call the one that is under way.
func (l *link) begin(task string, input func([]byte) any, attempt, depth int) *call {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	return l.open(task, input, attempt, depth)
}

// open is begin with the pool's mu held.
func (l *link) open(task string, input func([]byte) any, attempt, depth int) *call {
	l.last++
	c := &l.newest
	*c = call{}
	c.id, c.task, c.input, c.attempt, c.depth = l.last, task, input, attempt, depth
	l.call = c
	return c
}

// beginMany makes the call that is under way one that stands for all of s.
func (l *link) beginMany(s *sitting) *call {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.newest = call{task: s.task, many: s}
	l.call = &l.newest
	return l.call
}

// began takes note of when c was begun.
func (l *link) began(c *call) {
	since := time.Since(l.pool.born)
	l.pool.mu.Lock()
	c.since = since
	l.pool.mu.Unlock()
}

// do hands c to the worker and waits for its end: nil for a reply, errGivenUp if ctx is over, and
// otherwise how the worker was lost.
func (l *link) do(ctx context.Context, c *call, h *head) error {
	l.served++
	if l.inside != nil {
		l.began(c)
		return l.inside.do(ctx, l, c, *h)
	}
	sent, err := l.request(ctx, c, h)
	if err == nil {
		err = l.read(ctx, c)
	}
	if err == nil {
		return nil
	}
	if over := ctx.Err(); over != nil && errors.Is(err, over) {
		l.leave(c, sent, err)
		return errGivenUp
	}
	l.mourn(c, err)
	if !c.begun {
		return errNotBegun
	}
	return l.died(c)
}

// request sends c, and takes note of when. To read the clock takes a tenth of an empty call: the worker is at a short one meanwhile.
func (l *link) request(ctx context.Context, c *call, h *head) (progress, error) {
	if l.boxes.request.holds(len(l.buf)) {
		l.boxes.request.post(h, l.buf)
		l.requests.Knock()
		l.began(c)
		return sentAll, nil
	}
	if headSize+len(l.buf) <= l.record {
		defer l.began(c)
	} else {
		l.began(c)
	}
	return send(ctx, l.requests, l.record, h, l.buf)
}

// died is the error of a call that was begun by a worker that is gone.
func (l *link) died(c *call) *WorkerDied {
	died := &WorkerDied{
		Task: c.task, Pid: l.pid(), Code: l.code, Signal: l.sig, Attempts: c.attempt, OOM: l.oom, fault: c.fault,
	}
	if l.inside == nil {
		died.Stderr = l.process.LastStderr()
	}
	return died
}

// leave is what a caller does with a call when its context is over.
func (l *link) leave(c *call, sent progress, err error) {
	l.leaving(c, 1)
	switch sent {
	case sentAll:
		l.abandon(c)
	case sentNone:
		l.release(false)
	default:
		// Half a request leaves the ring useless, and that is not the worker's fault.
		l.helped()
		l.pool.keep.Go(func() { l.mourn(c, err) })
	}
}

// leaving takes note that nobody waits for c any more, which stands for n calls.
func (l *link) leaving(c *call, n int) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	c.left = true
	l.tally.cancelled += uint64(n)
}
