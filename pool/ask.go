package pool

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// asks is the worker's side of nested calls: see current.go.
type asks struct {
	ctx     context.Context // the worker's
	child   *child
	answers *ring.BytesReader
	workers int
	initial uint64    // as in orders
	hearing sync.Once // hear has been started

	mu      sync.Mutex // of what is sent before the task's reply, too
	last    uint64     // id
	waiting map[uint64]chan replied
}

func (c *child) newAsks(ctx context.Context, seg *shm.Segment, o orders) (*asks, error) {
	answers, err := ring.BytesFrom(seg, o.Answers)
	if err != nil {
		return nil, err
	}
	a := &asks{ctx: ctx, child: c, workers: int(o.Workers), initial: o.Initial, waiting: make(map[uint64]chan replied)}
	a.answers, err = answers.Reader(ring.Waiting(ring.Park))
	return a, err
}

// borrowed is the pool that the task may use.
func (t *taskContext) borrowed() *Pool {
	m := t.real() // which tells end that the task may ask
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.pool == nil {
		m.pool = newNested(t, t.asks.workers, t.asks.child.limit)
	}
	return m.pool
}

// end is called when the task has returned: it asks for nothing any more. Who asks before has sent it.
func (a *asks) end(m *madeContext, pool *Pool) {
	a.mu.Lock()
	m.ended = true
	a.mu.Unlock()
	if pool != nil {
		pool.Terminate()
	}
}

// ask sends the parent a call and waits for the answer.
func (t *taskContext) ask(ctx context.Context, h head, input []byte) (outcome uint32, payload []byte, err error) {
	if err := t.real().Err(); err != nil {
		return 0, nil, err
	}
	a := t.asks
	a.hearing.Do(func() { go a.hear() })
	answer := make(chan replied, 1)
	h.outcome = askCall
	id, err := a.send(t, h, input, answer)
	if err != nil {
		return 0, nil, err
	}
	select {
	case r := <-answer:
		return r.outcome, r.payload, nil
	case <-ctx.Done():
	}
	a.cancel(t, id)
	return 0, nil, ctx.Err()
}

// send sends what t asks for, as a message among the replies.
func (a *asks) send(t *taskContext, h head, input []byte, answer chan replied) (id uint64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := t.real(); m.ended || t.ended.Load() >= m.id {
		return 0, context.Canceled
	}
	a.last++
	id = a.last
	a.waiting[id] = answer
	err = a.tell(t, h, id, input)
	return id, err
}

// tell sends a message with the id of a nested call. mu is held.
func (a *asks) tell(t *taskContext, h head, id uint64, input []byte) error {
	h.id = t.id.Load()
	payload := append(binary.LittleEndian.AppendUint64(nil, id), input...)
	_, err := send(a.ctx, a.child.replies, a.child.record, &h, payload)
	return err
}

// cancel tells the parent that nobody waits for the answer.
func (a *asks) cancel(t *taskContext, id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := t.real(); a.waiting[id] != nil && !m.ended && t.ended.Load() < m.id {
		// If it does not arrive, the parent is gone.
		_ = a.tell(t, head{outcome: askCancel}, id, nil)
	}
}

// hear hands out answers, as long as the worker lives.
func (a *asks) hear() {
	in := assembly{limit: max(a.child.limit, leastLimit)}
	for {
		record, err := a.answers.Peek(a.ctx)
		if err != nil {
			return
		}
		complete, err := in.add(record)
		a.answers.Release()
		if err == nil && in.head.outcome >= answerOutcomes {
			err = fmt.Errorf("answer of kind %d: %w", in.head.outcome, errProtocol)
		}
		if err != nil {
			a.child.ended <- err
			return
		}
		if !complete {
			continue
		}
		a.mu.Lock()
		if answer := a.waiting[in.head.id]; answer != nil {
			answer <- replied{in.head.outcome, bytes.Clone(in.payload)}
			delete(a.waiting, in.head.id)
		}
		a.mu.Unlock()
	}
}
