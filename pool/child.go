package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/inherit"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// orders is what a worker process is started with.
type orders struct {
	Requests, Replies, State shm.Ref
	Answers                  shm.Ref // to what tasks ask for
	Workers                  int32   // that the pool has
	Policy                   int32
	Limit                    uint64 // of an encoded input or result
	Initial                  uint64 // id of the call that is the initializer's: 1, or 0 if there is none
	Finalizer                errand
}

// worker is the process that a pool starts.
var worker = proc.Func("kindred/pool", work)

// child is the worker's side of a worker.
type child struct {
	requests *ring.BytesReader
	replies  *ring.BytesWriter
	record   int    // the longest that is sent
	limit    uint64 // of a result
	state    *workerState
	boxes    mailboxes
	cancels  *cancels
	contexts contexts
	in       assembly
	posted   uint64 // id of the newest call that came by the mailbox
	out      []byte
	ended    chan error
	several  several
	last     *registered // that ran
	lastHash uint64      // of its name

	finalizer errand
}

// work is the life of a worker: requests are run one after the other until the parent closes their
// ring.
func work(ctx context.Context, o orders) error {
	c, err := attach(ctx, o)
	if err != nil {
		return err
	}
	if !c.greet(ctx) {
		return <-c.ended
	}
	go c.loop(ctx)
	return <-c.ended
}

// attach takes the worker's ends of what the parent made.
func attach(ctx context.Context, o orders) (*child, error) {
	seg, err := proc.Segment(ctx, o.Requests)
	if err != nil {
		return nil, err
	}
	c := &child{limit: o.Limit, finalizer: o.Finalizer, in: assembly{limit: max(o.Limit, leastLimit)}, ended: make(chan error, 1)}
	policy := ring.Waiting(ring.Policy(o.Policy))
	requests, err := ring.BytesFrom(seg, o.Requests)
	if err != nil {
		return nil, err
	}
	if c.requests, err = requests.Reader(policy); err != nil {
		return nil, err
	}
	replies, err := ring.BytesFrom(seg, o.Replies)
	if err != nil {
		return nil, err
	}
	if c.replies, err = replies.Writer(policy); err != nil {
		return nil, err
	}
	c.record = replies.Cap() / parts
	state, err := seg.Engine().Resolve(o.State, segment.KindRaw, workerLayout())
	if err != nil {
		return nil, err
	}
	c.state = stateIn(state)
	c.boxes = c.state.boxes()
	c.cancels = newCancels(inherit.Without(ctx, seg), state) // seg is not for tasks
	c.contexts.cancels = c.cancels
	c.cancels.asks, err = c.newAsks(ctx, seg, o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// greet says that the worker is ready.
func (c *child) greet(ctx context.Context) bool {
	return c.reply(ctx, greeting, nil, outcomeResult)
}

// loop serves requests. A task that ends its goroutine ends loop's; another one then goes on.
func (c *child) loop(ctx context.Context) {
	for {
		err := c.receive(ctx)
		if errors.Is(err, ring.ErrClosed) {
			c.finish()
			return
		}
		if err != nil {
			c.ended <- orderly(err)
			return
		}
		if !c.serve(ctx) {
			return
		}
	}
}

// receive puts the next request together. The claim is set before the request leaves the ring.
func (c *child) receive(ctx context.Context) error {
	for {
		record, err := c.peek(ctx)
		if err != nil {
			return err
		}
		if record == nil {
			err := c.in.take(c.boxes.request)
			c.posted = c.in.head.id
			c.claim(c.posted)
			return err
		}
		complete, err := c.in.add(record)
		if err != nil {
			return err
		}
		c.claim(c.in.head.id)
		c.requests.Release()
		if complete {
			return nil
		}
	}
}

// peek waits for a record, or a request in the mailbox; then it returns none. It looks first where the request before came from.
func (c *child) peek(ctx context.Context) ([]byte, error) {
	if c.posted == c.in.head.id && c.boxes.request.glance(c.posted, c.in.head.size) {
		return nil, nil
	}
	return c.requests.PeekUnless(ctx, func() bool { return c.boxes.request.has(c.posted) })
}

// claim stores the claim, before whatever this process stores next. Who withdraws calls sees to it that it is seen: see (*sitting).withdraw.
func (c *child) claim(v uint64) { c.publish(&c.state.claimed, v) }

func (c *child) publish(w *word.Uint64, v uint64) {
	if futex.Registered() {
		futex.Publish(w, v)
	} else {
		w.Store(v)
	}
}

// serve runs the request that was received, and replies. It reports whether this goroutine lives on.
func (c *child) serve(ctx context.Context) bool {
	h := &c.in.head
	if c.state.withdrawn.Load() >= h.id { // it is claimed: see several
		return c.tell(ctx, &head{id: h.id, outcome: replyWithdrawn})
	}
	t := c.last
	if t == nil || c.lastHash != h.task {
		t = tasks.lookup(h.task)
		c.last, c.lastHash = t, h.task
	}
	if t == nil {
		names := strings.Join(tasks.names(), ", ")
		return c.replyAll(ctx, h, []byte(names), outcomeNotRegistered)
	}
	if t.types != h.types {
		text := fmt.Sprintf("the task at %s has other types", t.where)
		return c.replyAll(ctx, h, []byte(text), outcomeUndecodable)
	}
	if h.outcome > 0 {
		return c.serveSeveral(ctx, t)
	}
	return c.call(ctx, h.id, h.when, t)
}

// call is serve for one call. It allocates nothing, unless the task does.
func (c *child) call(ctx context.Context, id uint64, when int64, t *registered) (lives bool) {
	tc := c.contexts.of(id, when)
	returned := false
	defer func() {
		if returned {
			return
		}
		c.cancels.end(tc)
		if v := recover(); v != nil {
			lives = c.done(ctx, id, panicked(c.out[:0], v), outcomePanic)
			return
		}
		if c.done(ctx, id, append(c.out[:0], goexitText...), outcomeError) {
			go c.loop(ctx)
		}
	}()
	payload, outcome := t.run(tc, c.in.payload, c.out[:0])
	returned = true
	c.cancels.end(tc)
	return c.done(ctx, id, payload, outcome)
}

// done is the reply, after which both buffers may be used again.
func (c *child) done(ctx context.Context, id uint64, payload []byte, outcome uint32) bool {
	ok := c.reply(ctx, id, payload, outcome)
	c.out, c.in.payload = kept(payload), kept(c.in.payload)
	return ok
}

// replyAll is reply for each call of a request.
func (c *child) replyAll(ctx context.Context, h *head, payload []byte, outcome uint32) bool {
	for id := h.id; id < h.id+uint64(max(h.outcome, 1)); id++ {
		if !c.reply(ctx, id, payload, outcome) {
			return false
		}
	}
	return true
}

// reply commits the outcome, and then gives up the claim.
func (c *child) reply(ctx context.Context, id uint64, payload []byte, outcome uint32) bool {
	payload, outcome = fitted(payload, outcome, c.limit)
	if err := c.commit(ctx, id, payload, outcome); err != nil {
		c.ended <- orderly(err)
		return false
	}
	c.claim(0)
	return true
}

// commit sends the outcome, by the way that the request came, if it can. A claim of which the reply may be there is marked before.
func (c *child) commit(ctx context.Context, id uint64, payload []byte, outcome uint32) error {
	c.claim(id | returned)
	if id != greeting && id == c.posted && c.boxes.reply.holds(len(payload)) {
		c.boxes.reply.post(&head{id: id, outcome: outcome}, payload)
		c.replies.Knock()
		return nil
	}
	if _, err := send(ctx, c.replies, c.record, &head{id: id, outcome: outcome}, payload); err != nil {
		return fmt.Errorf("reply to call %d: %w", id, err)
	}
	return nil
}

// tell sends a message without a payload.
func (c *child) tell(ctx context.Context, h *head) bool {
	if _, err := send(ctx, c.replies, c.record, h, nil); err != nil {
		c.ended <- orderly(err)
		return false
	}
	return true
}

// orderly makes no error of the parent's leaving.
func orderly(err error) error {
	if errors.Is(err, ring.ErrClosed) || errors.Is(err, ring.ErrPeerDied) {
		return nil
	}
	return err
}
