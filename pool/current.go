package pool

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/codec"
)

// A task may call tasks of the pool in which it runs. It asks its parent to: by a message among its
// replies, with the id of the call that it runs, which whoever reads that call's reply comes across. The
// parent makes the call with another worker, and answers over a ring of its own, which a goroutine of the
// worker reads.
//
//	a nested call   what moves it on                                    to
//	(none)          the worker sends askCall                            asked
//	asked           the parent reads it, takes another worker           under way
//	asked           the pool is too deep, terminated or broken          answered
//	under way       the result, or an error                             answered
//	asked,          askCancel: its context in the worker is over;       given up, like any call
//	under way       the outer call is over, or its worker dead
//	answered        the worker reads it
//
// A worker whose task has made such calls counts as blocked until it has returned. For each there may be
// one worker more than Workers says, which is started when a nested call finds none idle. Nested calls come
// before all others, the deepest first, so that what is begun is ended before more begins, and workers do not
// grow in number with the calls. Those that are too many end when they have been idle.

const (
	maxDepth  = 10          // of calls in each other, the one from outside not counted
	extraIdle = time.Second // how long a worker too many is kept
)

// Kinds of messages that a worker sends, where a reply has its outcome. The payload of the first two, which it sends while it runs a task,
// begins with the id of the nested call.
const (
	askCall        = 1<<31 + iota // the input follows
	askCancel                     // nothing does: nobody waits for the answer
	replySeveral                  // outcomes of calls, from the head's id on: how many, in place of the task
	replyWithdrawn                // of a request, the calls from the head's id on are not begun
	replyRow                      // as replySeveral, but that all are results, as a row
)

// Outcomes that only answers have, beside those of replies.
const (
	outcomeDied    = outcomes + iota // the worker: death, encoded
	outcomeClosed                    // the text of an error that is ErrClosed
	outcomeBroken                    // likewise
	outcomeDepth                     // likewise
	outcomeGivenUp                   // likewise, context.Canceled
	outcomeExpired                   // likewise, context.DeadlineExceeded
	outcomeFailed                    // the text of another error
	answerOutcomes
)

// Current is the pool that runs the task whose context, or one made of it, ctx is; nil if it is no
// task's, or an Initializer's or Finalizer's. The task may call it as any pool; with its parent's workers as others do. Calls may be nested 10
// deep; then they fail with ErrDepth. What a task has not waited for when it returns is given up. To close
// that pool ends the task's own use of it; the pool goes on. Its Workers are not those of the pool, and
// Broadcast and Resize are not for it.
func Current(ctx context.Context) *Pool {
	if host, ok := ctx.Value(currentKey{}).(host); ok {
		return host.borrowed()
	}
	return nil
}

type currentKey struct{}

// host is what runs a task.
type host interface {
	// borrowed is the pool that its task may use.
	borrowed() *Pool
}

// asker has calls made by the pool.
type asker interface {
	// ask makes a call. An error is the context's, or says that the task has returned.
	ask(ctx context.Context, h head, input []byte) (outcome uint32, payload []byte, err error)
}

// newNested makes the pool that Current returns: its workers are requests to a.
func newNested(a asker, workers int, limit uint64) *Pool {
	p := &Pool{
		options: options{workers: workers, grace: -1, limit: limit, borrowed: true},
		number:  pools.Add(1), born: time.Now(), life: life{over: make(chan struct{}), gone: make(chan struct{})},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.counting = make(map[*link]struct{})
	p.callbacks.mark = p.mark(inCallback)
	p.resize(workers)
	for id := range workers {
		p.seat(p.newInside(id, &request{a, newSpan(p.ctx)}))
	}
	return p
}

// request is a worker that has the pool do its calls.
type request struct {
	asker
	span
}

func (r *request) do(ctx context.Context, l *link, c *call, h head) error {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	outcome, payload, err := r.ask(within, h, l.buf)
	l.reply.head.outcome, l.reply.payload = outcome, payload
	switch {
	case ctx.Err() != nil && err != nil:
		l.leaving(c, 1)
		l.release(true)
		return errGivenUp
	case err != nil:
		return ErrClosed
	case outcome >= outcomes:
		return answered(outcome, payload)
	}
	return nil
}

// sentinels are what is told apart of the errors of the pool and of contexts.
var sentinels = map[uint32]error{
	outcomeClosed: ErrClosed, outcomeBroken: ErrBroken, outcomeDepth: ErrDepth,
	outcomeGivenUp: context.Canceled, outcomeExpired: context.DeadlineExceeded,
}

// death is a *WorkerDied as it travels, and the error that has it, if that has one of the sentinels as well.
type death struct {
	Died  WorkerDied
	Fault string
	With  uint32 // the sentinel's outcome; 0: there is none
	Text  string
}

// answer makes of an error what an answer carries.
func answer(err error) (outcome uint32, payload []byte) {
	for o, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			outcome = o
		}
	}
	var died *WorkerDied
	if errors.As(err, &died) {
		d := death{Died: *died, With: outcome, Text: err.Error()}
		if died.fault != nil {
			d.Fault = died.fault.Error()
		}
		if c, err := codec.For[death](); err == nil {
			if payload, err = c.Append(nil, d); err == nil {
				return outcomeDied, payload
			}
		}
	}
	if outcome == 0 {
		outcome = outcomeFailed
	}
	return outcome, []byte(err.Error())
}

// answered is the error that answer was given.
func answered(outcome uint32, payload []byte) error {
	if outcome == outcomeDied {
		return answeredDeath(payload)
	}
	if sentinel := sentinels[outcome]; sentinel != nil {
		return &toldError{string(payload), sentinel}
	}
	return errors.New(string(payload))
}

func answeredDeath(payload []byte) error {
	c, err := codec.For[death]()
	if err != nil {
		return err
	}
	var d death
	if err := c.Decode(payload, &d); err != nil {
		return fmt.Errorf("pool: how a worker died: %w: %w", ErrUndecodable, err)
	}
	if d.Fault != "" {
		d.Died.fault = errors.New(d.Fault)
	}
	if sentinel := sentinels[d.With]; sentinel != nil {
		return &toldError{d.Text, errors.Join(&d.Died, sentinel)}
	}
	return &d.Died
}

// nest is the calls that one call has made, in the process that has the pool.
type nest struct {
	pool   *Pool
	depth  int // of the call
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	over    bool                          // the call is
	blocked bool                          // its worker counts as that
	under   map[uint64]context.CancelFunc // by id
}

func newNest(p *Pool, depth int) *nest {
	n := &nest{pool: p, depth: depth, under: make(map[uint64]context.CancelFunc)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// end gives up what the call has not waited for.
func (n *nest) end() {
	n.mu.Lock()
	blocked := n.blocked
	n.over, n.blocked = true, false
	n.mu.Unlock()
	n.cancel()
	if blocked {
		n.pool.unblock()
	}
}

// begin makes the context of a nested call: its worker waits for others from now on. It reports false if there
// cannot be one of that id, if there are more than a worker makes, or the call is over.
func (n *nest) begin(id uint64, h head) (ctx context.Context, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, taken := n.under[id]; taken || n.over || len(n.under) >= n.pool.workers {
		return nil, false
	}
	ctx, n.under[id] = deadline(n.ctx, h)
	if !n.blocked {
		n.blocked = true
		n.pool.mu.Lock()
		n.pool.blocked++
		n.pool.mu.Unlock()
	}
	return ctx, true
}

// deadline makes of ctx that of a call.
func deadline(ctx context.Context, h head) (context.Context, context.CancelFunc) {
	if h.when == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, time.Unix(0, h.when))
}

// done is the end of a nested call: it is done, or cancelled. Then it does not count, though it may take a moment.
func (n *nest) done(id uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cancel := n.under[id]; cancel != nil {
		cancel()
		delete(n.under, id)
	}
}

// heed does what the worker asks for while it runs c. Who reads c's reply has come across it.
func (l *link) heed(c *call) error {
	h, payload := l.reply.head, l.reply.payload
	if len(payload) < 8 {
		return fmt.Errorf("request of %d bytes: %w", len(payload), errProtocol)
	}
	id := binary.LittleEndian.Uint64(payload)
	if h.outcome == askCancel {
		if l.nest != nil {
			l.nest.done(id)
		}
		return nil
	}
	if l.nest == nil {
		l.nest = newNest(l.pool, c.depth)
	}
	n := l.nest
	ctx, ok := n.begin(id, h)
	if !ok {
		return fmt.Errorf("request %d, of %d that are under way: %w", id, l.pool.workers, errProtocol)
	}
	input := bytes.Clone(payload[8:])
	l.pool.keep.Go(func() {
		outcome, payload := l.pool.nested(ctx, n.depth+1, h, input)
		if most := max(l.pool.limit, leastLimit); uint64(len(payload)) > most {
			outcome, payload = outcomeFailed, tooLarge(uint64(len(payload)), most)
		}
		n.done(id) // first: the worker asks for the next one when it has the answer
		l.answering.Lock()
		defer l.answering.Unlock()
		// What goes wrong here is the worker's end, or the link's.
		_, _ = send(context.Background(), l.answers, l.record, &head{id: id, outcome: outcome}, payload)
	})
	return nil
}

// endNest is the end of the call that was under way, for what it has asked for.
func (l *link) endNest() {
	if l.nest != nil {
		l.nest.end()
		l.nest = nil
	}
}

// nested makes a call on a worker's behalf.
func (p *Pool) nested(ctx context.Context, depth int, h head, input []byte) (outcome uint32, payload []byte) {
	if depth > maxDepth {
		return answer(ErrDepth)
	}
	t := tasks.lookup(h.task)
	if t == nil {
		return outcomeNotRegistered, []byte(strings.Join(tasks.names(), ", "))
	}
	next := func(ctx context.Context) (*link, error) { return p.acquireNested(ctx, depth) }
	err := p.persist(ctx, nil, next, func(l *link, attempt int) (err error) {
		outcome, payload, err = l.relay(ctx, t, h, input, attempt, depth)
		return err
	})
	if err != nil {
		return answer(err)
	}
	return outcome, payload
}

// relay is (*Typed).try for a call whose input and result stay encoded.
func (l *link) relay(
	ctx context.Context, t *registered, h head, input []byte, attempt, depth int,
) (outcome uint32, payload []byte, err error) {
	own, replied := true, false
	defer func() {
		if own {
			l.release(replied)
		}
	}()
	l.buf = append(l.buf[:0], input...)
	if attempt > 1 {
		e := Event{Kind: TaskRetried, ID: l.id, Pid: l.pid(), Task: t.name, Attempt: attempt}
		if l.pool.onEvent != nil {
			e.Input = t.show(input)
		}
		l.pool.tell(e)
	}
	c := l.begin(t.name, t.show, attempt, depth)
	err = l.do(ctx, c, &head{id: c.id, task: h.task, types: h.types, when: h.when})
	switch err {
	case nil:
		replied = true
		return l.reply.head.outcome, bytes.Clone(l.reply.payload), nil
	case errGivenUp:
		own = false
		err = ctx.Err()
	}
	return 0, nil, err
}
