package pool

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// load is the inputs of several calls of one task, and what becomes of them: see inputs.go. But for encode its methods are called
// with the sitting's mu held, or by who has the load alone.
type load interface {
	// encode writes the input of call i behind dst.
	encode(dst []byte, i int, limit uint64) ([]byte, error)
	// row writes the inputs of up to most calls from i on behind dst, as many as n bytes take, if they stand in a row; otherwise none.
	row(dst []byte, i, most, n int) ([]byte, int)
	input(i int) any
	// settle is the outcome of call i, fail its error.
	settle(i int, outcome uint32, payload []byte)
	// settleRow are the results of n calls from i on, each in so many bytes of the row.
	settleRow(i, n, size int, row []byte)
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
	base     []message     // where they begin in memory, or began
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
	s.call = l.beginMany(s)
	for {
		err := s.feed()
		if err == nil && s.idle() {
			break
		}
		if err == nil {
			runtime.Gosched() // whom results have made ready goes before one who polls
			err = s.read(s.ctx)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
	s.leaveLink()
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
			if grown, n := b.row(buf, i, each, framed); n > 0 {
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
	l.pool.mu.Lock()
	l.served += b.n
	l.last += uint64(b.n)
	l.pool.mu.Unlock()
	l.underWay.Add(int64(b.n))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flying) == 0 {
		s.landed = b.since
	}
	s.flying = append(s.flying, b)
	s.base = append(append(s.base[:0], s.messages...), all...)
	s.messages = s.base
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
			h := s.headOf(m)
			sent, err := send(s.ctx, s.link.requests, s.link.record, &h, s.buf[m.from:m.to])
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
	h := s.headOf(m)
	return trySend(s.link.requests, &h, payload)
}

func (s *sitting) headOf(m message) head {
	return head{id: m.first, task: s.hash, types: s.types, when: s.when, outcome: m.n}
}

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

// leaveLink gives the link back.
func (s *sitting) leaveLink() {
	s.mu.Lock()
	s.over = true
	useful := s.useful
	s.mu.Unlock()
	s.link.endNest()
	s.link.release(useful)
}
