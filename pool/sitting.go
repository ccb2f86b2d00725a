package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/bulk"
)

// load is the inputs of several calls of one task, and what becomes of them: see mapping.go. But for encode its methods are called
// with the sitting's mu held, or by who has the load alone.
type load interface {
	// encode writes the input of call i behind dst.
	encode(dst []byte, i int, limit uint64) ([]byte, error)
	// frames writes the inputs of up to most calls from i on behind dst, as many as n bytes take, if they are all of a size; otherwise none.
	frames(dst []byte, i, most, n int) ([]byte, int)
	input(i int) any
	// settle is the outcome of call i, fail its error.
	settle(i int, outcome uint32, payload []byte)
	// settleRow takes the results of up to n calls from i on off a row of frames, as far as they are of a kind that cannot fail.
	settleRow(i, n int, row []byte) (rest []byte, done int)
	fail(i int, err error)
	// split takes off the calls from i on.
	split(i int) load
	// done hands out what was settled: all of it.
	done()
	// give hands out those calls of which nothing is settled from i on with err, and what was settled before; the load stays as it is.
	give(i int, err error)
}

// batch is a load, and the ids that its calls have at a worker.
type batch struct {
	load
	n       int
	first   uint64 // id
	attempt int    // from 1
	died    error  // of the attempt before
	since   time.Time
	failed  int // of those that are settled
}

// split takes off the calls from i on.
func (b *batch) split(i int) *batch {
	rest := &batch{load: b.load.split(i), n: b.n - i, first: b.first + uint64(i), attempt: b.attempt, died: b.died, since: b.since}
	b.n = i
	return rest
}

// source is where a sitting's work comes from.
type source interface {
	// take returns the next work, of at most so many calls; nil: there is none, or, if others are under way, too little.
	take(most int, underWay bool) *batch
	// again takes back work that was not begun, or is to be begun again.
	again(b *batch)
	// shape is how many calls a request may have, and how many batches may be under way.
	shape() (each, batches int)
	// measured says how long calls took, or, slow, that one takes long.
	measured(each time.Duration)
}

// sitting is the time for which a worker does the calls of one source, one request behind the other: some are under way while it runs
// one. The goroutine that sits has the link; calls are handed out by its worker, in the order of their ids.
//
//	a call at a worker   what moves it on                                           to
//	under way            its result comes, with the reply or by the outbox          settled
//	under way            withdraw: it was not begun, and will not be                 the source's again
//	under way            replyWithdrawn: likewise                                    the source's again
//	under way            the worker is gone: its result is in the outbox             settled
//	under way            the worker is gone, and it is claimed                       settled (*WorkerDied), or the source's, by Retry
//	under way            the worker is gone, and it is not                           the source's again
//	under way            the context ends: leave                                     settled, and nobody looks at what comes
//
// Who withdraws stores withdrawn and then loads claimed; the worker stores claimed and then loads withdrawn, before each call. So either the
// worker sees that the call is withdrawn, or who withdraws sees that it may be begun.
//
// Locks are taken in the order of the sitting's mu, the source's, the pool's.
type sitting struct {
	link   *link
	ctx    context.Context
	task   string
	hash   uint64
	types  uint32
	when   int64
	source source
	call   *call

	buf    []byte    // the inputs of the newest batch, as they are sent
	fresh  []message // of it
	most   int       // of calls that the worker may still take
	began  bool      // it has taken work
	closed bool      // it takes no more

	mu       sync.Mutex
	flying   []*batch      // oldest first
	messages []message     // likewise
	sent     int           // of them
	next     uint64        // id whose outcome is the next
	last     uint64        // newest id
	cut      uint64        // the newest that was withdrawn
	landed   time.Time     // when the batch before was settled
	took     time.Duration // by a call of the oldest batch, as the worker says; 0: it has not said
	nestOf   uint64        // id of the call that the link's nest is of
	watched  uint64        // next, when withdraw looked last
	useful   bool          // there was an outcome
	left     bool          // nobody waits for the outcomes
	over     bool          // the link is no longer the sitting's, or its process is gone
}

// message is a request that is not answered to the end.
type message struct {
	first, last uint64 // ids
	from, to    int    // in buf
	n           uint32 // of frames; 0: the bytes are one input
}

// sit has l do the source's calls until there are none, or others wait for the worker. Then l is not the caller's any more.
func (s *sitting) sit() {
	l := s.link
	s.most = l.allowance()
	s.last = l.last
	s.next = s.last + 1
	s.call = l.beginMany(call{task: s.task, many: s})
	for {
		err := s.feed()
		if err == nil && s.idle() {
			break
		}
		if err == nil {
			err = s.read(s.ctx)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
	s.leaveLink()
	l.release()
}

// idle reports whether nothing is under way.
func (s *sitting) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages) == 0 && len(s.flying) == 0
}

// feed sends what has room.
func (s *sitting) feed() error {
	for {
		if room, err := s.send(); err != nil || !room {
			return err
		}
		each, batches := s.source.shape()
		s.mu.Lock()
		under := len(s.flying)
		s.mu.Unlock()
		if under >= batches || s.most == 0 || s.closed {
			return nil
		}
		if s.began && !s.link.pool.sitOn(s.link) {
			s.closed = true
			return nil
		}
		b := s.source.take(s.most, under > 0)
		if b == nil {
			return nil
		}
		s.began = true
		s.add(b, each)
	}
}

// add makes requests of b's calls, each at a time. One that cannot be encoded is settled by that.
func (s *sitting) add(b *batch, each int) {
	l := s.link
	if err := s.ctx.Err(); err != nil {
		b.give(0, err)
		return
	}
	buf, framed := s.buf[:0], min(l.record-headSize, int(min(max(l.pool.limit, leastLimit), maxFrame)))
	all := s.fresh[:0]
	first := s.last + 1
	for i := 0; i < b.n; i++ {
		at := len(buf)
		if each > 1 {
			if grown, n := b.frames(buf, i, each, framed); n > 0 {
				buf = grown
				all = append(all, message{first + uint64(i), first + uint64(i+n) - 1, at, len(buf), uint32(n)})
				i += n - 1
				continue
			}
		}
		grown, err := b.encode(append(buf, 0, 0, 0, 0), i, l.pool.limit)
		if err != nil {
			if i+1 < b.n {
				s.source.again(b.split(i + 1))
			}
			bad := b.split(i)
			bad.fail(0, err)
			bad.done()
			break
		}
		buf = grown
		id := first + uint64(i)
		frame := buf[at:]
		if m := len(all) - 1; m >= 0 && all[m].n > 0 && int(all[m].n) < each && all[m].to-all[m].from+len(frame) <= framed {
			putFrame(frame, 0)
			all[m].last, all[m].to = id, len(buf)
			all[m].n++
			continue
		}
		if each == 1 || len(frame) > framed {
			all = append(all, message{id, id, at + frameSize, len(buf), 0})
			continue
		}
		putFrame(frame, 0)
		all = append(all, message{id, id, at, len(buf), 1})
	}
	s.buf, s.fresh = buf, all
	if b.n == 0 {
		b.done()
		return
	}
	if b.attempt > 1 {
		for i := range b.n {
			l.pool.tell(Event{Kind: TaskRetried, ID: l.id, Pid: l.pid(), Task: s.task, Input: b.input(i), Attempt: b.attempt})
		}
	}
	b.first, b.since = first, time.Now()
	s.most -= b.n
	l.mu.Lock()
	l.served += b.n
	l.last += uint64(b.n)
	l.mu.Unlock()
	l.underWay.Add(int64(b.n))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flying) == 0 {
		s.landed = b.since
	}
	s.flying = append(s.flying, b)
	s.messages = append(s.messages, all...)
	s.last += uint64(b.n)
}

// send sends requests, and reports whether all are. While others are under way it does not wait for room: the worker may wait for room, too.
func (s *sitting) send() (all bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.sent < len(s.messages) {
		m := s.messages[s.sent]
		if s.sent == 0 {
			s.mu.Unlock()
			sent, err := send(s.ctx, s.link.requests, s.link.record, s.headOf(m), s.buf[m.from:m.to])
			s.mu.Lock()
			if sent == sentPart {
				err = &halfSent{err}
			}
			if err != nil {
				return false, err
			}
		} else if ok, err := s.trySend(m); !ok {
			return false, err
		}
		s.sent++
	}
	return true, nil
}

// trySend sends a request if there is room for all of it, and reports whether there was.
func (s *sitting) trySend(m message) (bool, error) {
	payload := s.buf[m.from:m.to]
	if headSize+len(payload) > s.link.record {
		return false, nil
	}
	record, err := s.link.requests.TryReserve(headSize + len(payload))
	if record == nil || err != nil {
		return false, err
	}
	h := s.headOf(m)
	h.put(record)
	s.link.requests.Commit(headSize + bulk.Copy(record[headSize:], payload))
	return true, nil
}

func (s *sitting) headOf(m message) head {
	return head{id: m.first, task: s.hash, types: s.types, when: s.when, outcome: m.n, size: uint64(m.to - m.from)}
}

// halfSent: the ring has half a request, and can be used no further.
type halfSent struct{ error }

func (e *halfSent) Unwrap() error { return e.error }

// read waits for a reply, and takes those that are there with it, until a batch is done.
func (s *sitting) read(ctx context.Context) error {
	l := s.link
	record, err := l.replies.Peek(ctx)
	for err == nil && record != nil {
		var complete bool
		complete, err = l.reply.add(record)
		l.replies.Release()
		if err != nil {
			return err
		}
		if done, err := s.heed(complete); done || err != nil {
			return err
		}
		record, err = l.replies.TryPeek()
	}
	return err
}

// heed does what the worker's message says, if it is complete, and reports whether a batch is done.
func (s *sitting) heed(complete bool) (done bool, err error) {
	h, payload := &s.link.reply.head, s.link.reply.payload
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) == 0 || s.sent == 0 || h.id < s.messages[0].first || h.id > s.messages[0].last {
		return false, fmt.Errorf("message about call %d, which is not under way: %w", h.id, errProtocol)
	}
	if h.outcome >= outcomes && (h.outcome < askCall || h.outcome > replyWithdrawn) {
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
	case replySeveral:
		if h.task > 0 && h.when > 0 {
			s.took = max(time.Duration(h.when)/time.Duration(h.task), 1)
		}
		err = s.several(h.id, h.task, payload)
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
	if len(s.messages) == 0 {
		s.messages = nil
	}
}

// several are outcomes of calls from id on. Those that withdraw found in the outbox come again. The sitting's mu is held.
func (s *sitting) several(id, n uint64, row []byte) error {
	if n == 0 {
		return fmt.Errorf("no outcomes from call %d on: %w", id, errProtocol)
	}
	for ; n > 0; n-- {
		if id == s.next && len(s.flying) > 0 && !s.left {
			b := s.flying[0]
			rest, done := b.settleRow(int(id-b.first), int(min(n, b.first+uint64(b.n)-id, s.messages[0].last+1-id)), row)
			if done > 0 {
				row = rest
				id += uint64(done)
				s.advance(done)
				if n -= uint64(done); n == 0 {
					break
				}
			}
		}
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

// outcome is that of the next call. The sitting's mu is held.
func (s *sitting) outcome(id uint64, outcome uint32, payload []byte) error {
	if id != s.next || outcome >= outcomes || id > s.messages[0].last {
		return fmt.Errorf("reply of kind %d to call %d, the next is %d: %w", outcome, id, s.next, errProtocol)
	}
	if len(s.flying) == 0 || id-s.flying[0].first >= uint64(s.flying[0].n) {
		return fmt.Errorf("reply to call %d, which was withdrawn: %w", id, errProtocol)
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
	l.mu.Lock()
	l.worked = true
	l.tally.done += uint64(b.n - b.failed)
	l.tally.failed += uint64(b.failed)
	l.tally.latency.add(now.Sub(b.since), uint64(b.n))
	l.mu.Unlock()
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

// returned gives the calls of the oldest message from id on back: the worker says that it has not begun them, nor will. The
// sitting's mu is held.
func (s *sitting) returned(id uint64) error {
	last := s.messages[0].last
	if id != s.next || last > s.cut {
		return fmt.Errorf("calls from %d on come back: %w", id, errProtocol)
	}
	s.takeBack(id, last)
	s.next = last + 1
	return nil
}

// takeBack gives the calls of those ids back to the source that it does not have yet: they are no more under way. The sitting's mu is held.
func (s *sitting) takeBack(from, to uint64) {
	for i := 0; i < len(s.flying); i++ {
		b := s.flying[i]
		if b.first > to || b.first+uint64(b.n) <= from {
			continue
		}
		if end := b.first + uint64(b.n); end > to+1 {
			s.flying = slices.Insert(s.flying, i+1, b.split(int(to+1-b.first)))
		}
		at := int(max(from, b.first) - b.first)
		s.link.underWay.Add(int64(at - b.n))
		s.link.mu.Lock()
		s.link.served -= b.n - at
		s.link.mu.Unlock()
		if at == 0 {
			s.flying = slices.Delete(s.flying, i, i+1)
			i--
		} else {
			rest := b.split(at)
			if s.next == b.first+uint64(at) && i == 0 {
				s.land()
				i--
			}
			b = rest
		}
		if !s.left {
			s.source.again(b)
		}
	}
}

// withdraw takes back what the worker has not begun, if nothing has come since it looked last: it is at something slow. What is in
// the outbox is taken from there. It reports whether there is anything to watch. Any goroutine may call it.
func (s *sitting) withdraw() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	under := s.underWay()
	if s.left || s.over || under <= 1 {
		s.watched = 0
		return false
	}
	if s.next != s.watched {
		s.watched = s.next
		return true
	}
	state := s.link.state
	s.cut = s.last
	state.withdrawn.Store(s.cut) // pairs with the load in (*several).some, and this load with the store there
	claimed := state.claimed.Load() &^ returned
	if s.outbox(readOutbox(state)) != nil {
		return false // the driver finds out
	}
	if claimed >= s.next {
		s.source.measured(slow)
	}
	if from := max(claimed+1, s.next); from <= s.last {
		s.takeBack(from, s.last)
	}
	if len(s.flying) > 0 && s.flying[0].first < s.next { // what is settled need not wait either
		b := s.flying[0]
		s.flying = slices.Insert(s.flying, 1, b.split(int(s.next-b.first)))
		s.land()
	}
	return s.underWay() > 1
}

// slow is what a call takes at least that withdraw has found running twice.
const slow = time.Second

// underWay is how many calls are. The sitting's mu is held.
func (s *sitting) underWay() (n int) {
	for _, b := range s.flying {
		n += b.n
	}
	if len(s.flying) > 0 {
		n -= int(s.next - s.flying[0].first)
	}
	return n
}

// outboxed are results that were not sent: of n calls from first on.
type outboxed struct {
	first uint64
	n     int
	row   []byte
}

// readOutbox copies what is in the outbox, nothing if it is emptied meanwhile.
func readOutbox(state *workerState) (o outboxed) {
	first := state.kept.Load()
	n, size, ok := resultsIn(state.results.Load()) // pairs with the publish in (*several).made
	if !ok || n == 0 {
		return o
	}
	row := slices.Clone(state.outbox[:size])
	if state.kept.Load() != first || state.results.Load()>>32 < uint64(n) {
		return o
	}
	return outboxed{first, n, row}
}

// outbox takes results that were not sent: those that come next. The sitting's mu is held.
func (s *sitting) outbox(o outboxed) error {
	if o.first > s.next || len(s.messages) == 0 {
		return nil
	}
	for id := o.first; o.n > 0; o.n-- {
		b, outcome, rest, err := nextFrame(o.row)
		if err == nil && id >= s.next {
			err = s.outcome(id, outcome, b)
		}
		if err != nil {
			return err
		}
		o.row = rest
		id++
	}
	return nil
}

// leaveLink is the end of what the link has of the sitting.
func (s *sitting) leaveLink() {
	s.mu.Lock()
	s.over = true
	useful := s.useful
	s.mu.Unlock()
	s.link.settleMany(useful)
}

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
		l.mu.Lock()
		l.worked = true // half a request is not the worker's fault
		l.mu.Unlock()
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
	s.link.mu.Lock()
	s.call.left = true
	s.link.tally.cancelled += uint64(n)
	s.link.mu.Unlock()
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
	s.link.release()
}

// reckon is called when the process is gone, with what it has left, before anybody uses that: it says which call was begun, and
// takes the results of those that were made.
func (s *sitting) reckon(c *call, claimed uint64, o outboxed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if c.fault == nil {
		if err := s.outbox(o); err != nil {
			c.fault = err
		}
	}
	id := claimed
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

// running is what Workers says of the call that is claimed.
func (s *sitting) running(claimed uint64, o outboxed) (r Running, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if claimed < s.next || o.n > 0 && claimed < o.first+uint64(o.n) && claimed >= o.first {
		return r, false
	}
	for _, b := range s.flying {
		if claimed >= b.first && claimed-b.first < uint64(b.n) {
			return Running{Task: s.task, Input: b.load.input(int(claimed - b.first)), Attempt: b.attempt, Since: b.since}, true
		}
	}
	return r, false
}
