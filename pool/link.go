package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// link is the parent's side of one worker process. It has one call at a time; whoever has the call
// has both rings to himself.
//
//	state     what moves it on                           to
//	(none)    the process is ready: seat                 idle
//	idle      acquire hands it to a caller               taken
//	taken     the reply is read: release                 idle
//	taken     the caller's context ends: abandon         orphaned
//	orphaned  the reply is read: release                 idle
//	orphaned  the grace period ends: mourn               dead, by SIGKILL
//	taken     half a request was sent and the context
//	          ends, or the protocol is broken: mourn     dead, by SIGKILL
//	any       the process is gone: keep                  dead, and a new link takes its place
//
// What a caller and keep say to each other about a death: keep takes the link out of the pool, so
// that nobody gets it any more, and waits until the call that is under way, if there is one, is
// settled: its reply was read to the end after all, or its caller gave it up as lost (mourn) and
// waits for gone. Who got the link before and begins a call only after that finds the rings closed,
// and gone as well.
//
// What others look at is under the pool's mu, of which taking a worker and beginning a call take one turn, and settling it and giving
// the worker back another one: that is what an empty call can afford.
type link struct {
	pool     *Pool
	id       int  // of the worker
	restart  bool // in the place of one that died
	barren   int  // how many processes before this one, in a row, were for nothing, or onTrial
	process  *proc.Process
	seg      *shm.Segment
	inside   inside // if it is not a process: then the fields from process to cancels are nil
	requests *ring.BytesWriter
	replies  *ring.BytesReader
	answers  *ring.BytesWriter // to nested calls
	record   int               // the longest that is sent
	state    *workerState
	boxes    mailboxes
	cancels  *segment.Point
	seated   time.Time
	served   int    // calls; who has the link counts
	meter    *meter // nil without MemoryLimit

	// Under the pool's mu:
	retired bool        // it was told to end
	surplus bool        // nobody is to take its place
	doom    *time.Timer // that kills it, if it does not
	since   time.Time   // since when it has been idle, if it may need not be there
	settled sync.Cond   // call became nil, or lost
	call    *call       // the call that is under way: newest, or nil. Who has the link may read it without
	newest  call
	tally   tally
	worked  bool // it began a call, or was not given the time to
	shown   bool // somebody may be reading buf, which is not used again

	reply assembly // the reply that is being read
	buf   []byte   // the encoded input
	nest  *nest    // what the call under way has asked for; nil if it has not

	answering sync.Mutex

	gone chan struct{} // closed when the process is gone and code and signal are known
	code int
	sig  syscall.Signal
	oom  OOM

	last     uint64       // id of a call; who has the link counts
	underWay atomic.Int64 // calls of a sitting
}

// Sizes of a worker's rings. Larger messages go in parts, of a length that lets one side fill the
// ring while the other empties it.
const (
	ringBytes    = 124 << 10
	answerBytes  = 60 << 10
	parts        = 4 // that a ring holds
	segmentBytes = 8 * 64 << 10
	attachSlots  = 4
)

// keptStderr is how much is kept of what a worker writes to its standard error.
const keptStderr = 4 << 10

// connect makes a worker that is ready: of a spare, or of a process that it starts.
func (p *Pool) connect(id int) (*link, error) {
	if p.local {
		if err := p.initializeLocal(); err != nil {
			return nil, fmt.Errorf("worker %d: initializer: %w", id, err)
		}
		return p.newLocal(id), nil
	}
	l, err := p.takeSpare(), error(nil)
	if l == nil {
		l, err = p.launch(fmt.Sprintf("worker-%d", id))
	}
	if err != nil {
		return nil, fmt.Errorf("worker %d: %w", id, err)
	}
	l.id = id
	err = l.prepare()
	if err == nil && p.memory != 0 {
		l.meter, err = newMeter(l.process.Pid())
	}
	if err != nil {
		l.discard()
		return nil, fmt.Errorf("worker %d: %w", id, err)
	}
	return l, nil
}

// launch makes the segment with the rings, starts the process that shares it, and waits until that is there.
func (p *Pool) launch(name string) (*link, error) {
	seg, err := shm.Anonymous(segmentBytes, shm.Participants(attachSlots), shm.As("pool"))
	if err != nil {
		return nil, err
	}
	l := &link{pool: p, seg: seg, gone: make(chan struct{})}
	l.settled.L = &p.mu
	l.reply.limit = max(p.limit, leastLimit)
	if err := l.start(name); err != nil {
		_ = seg.Close()
		return nil, err
	}
	if err := l.greeted(); err != nil {
		l.discard()
		return nil, err
	}
	return l, nil
}

func (l *link) start(name string) error {
	requests, err := ring.NewBytes(l.seg, ringBytes)
	if err != nil {
		return err
	}
	replies, err := ring.NewBytes(l.seg, ringBytes)
	if err != nil {
		return err
	}
	answers, err := ring.NewBytes(l.seg, answerBytes)
	if err != nil {
		return err
	}
	o, err := l.seg.Engine().New(segment.Spec{
		Kind: segment.KindRaw, Layout: workerLayout(), Size: workerStateSize, Align: segment.Line})
	if err != nil {
		return err
	}
	if l.requests, err = requests.Writer(ring.Waiting(l.pool.policy)); err != nil {
		return err
	}
	if l.answers, err = answers.Writer(ring.Waiting(ring.Park)); err != nil {
		return err
	}
	if l.replies, err = replies.Reader(ring.Waiting(l.pool.policy)); err != nil {
		return err
	}
	l.record = requests.Cap() / parts
	l.state = stateIn(o)
	l.boxes = l.state.boxes()
	l.cancels = l.seg.Engine().Point(o.Offset()+eventOffset, segment.Shared)
	opts := append([]proc.Option{
		proc.Name(name), proc.Share(l.seg), proc.KeepStderr(keptStderr),
	}, l.pool.process...)
	l.process, err = l.pool.program.Start(l.pool.ctx, orders{
		Requests: requests.Ref(), Replies: replies.Ref(), State: o.Ref(),
		Answers: answers.Ref(), Workers: int32(l.pool.workers),
		Policy: int32(l.pool.policy), Limit: l.pool.limit, Initial: l.pool.initializer.calls(), Finalizer: l.pool.finalizer,
	}, opts...)
	return err
}

// greeting is the id of the worker's first message; calls count from 1.
const greeting = 0

// discard ends a process that nobody will use.
func (l *link) discard() {
	if l.inside != nil {
		return
	}
	_ = l.process.Close()
	_ = l.seg.Close()
	l.meter.close()
}

// bury says to the rings what they may not be able to see: the worker writes, into memory, who it is.
func (l *link) bury() {
	if l.inside != nil {
		return
	}
	l.requests.PeerGone()
	l.replies.PeerGone()
	l.answers.PeerGone()
}

// receive takes the next record off the ring, or else the reply to that call out of the mailbox, and reports whether a message is complete.
func (l *link) receive(ctx context.Context, id uint64) (complete bool, err error) {
	record, err := l.peek(ctx, id)
	if err != nil {
		return false, err
	}
	if record == nil {
		return true, l.reply.take(l.boxes.reply)
	}
	complete, err = l.reply.add(record)
	l.replies.Release()
	return complete, err
}

// peek waits for a record, or the reply to that call in the mailbox; then it returns none. What the task has asked for lies in the ring since before it
// replied, and comes first.
func (l *link) peek(ctx context.Context, id uint64) (record []byte, err error) {
	box := l.boxes.reply
	if !box.glance(id-1, l.reply.head.size) {
		record, err = l.replies.PeekUnless(ctx, func() bool { return box.has(id - 1) })
	}
	if record == nil && err == nil {
		record, _ = l.replies.TryPeek() // the mailbox has something, whatever is wrong with the ring
	}
	return record, err
}

// read takes what the worker sends until c's reply is complete.
func (l *link) read(ctx context.Context, c *call) error {
	for {
		complete, err := l.receive(ctx, c.id)
		if err != nil {
			return err
		}
		h := &l.reply.head
		if h.id != c.id {
			return fmt.Errorf("reply to call %d, not %d: %w", h.id, c.id, errProtocol)
		}
		if h.outcome >= outcomes {
			if c.id == greeting || h.outcome != askCall && h.outcome != askCancel {
				return fmt.Errorf("reply of kind %d: %w", h.outcome, errProtocol)
			}
			if complete {
				if err := l.heed(c); err != nil {
					return err
				}
			}
			continue
		}
		if complete {
			l.endNest()
			return nil
		}
	}
}

// settle is the end of the call that is under way, if there is one that is not lost. Replied: the worker was of use for it. The pool's mu is
// held.
func (l *link) settle(replied bool) {
	c := l.call
	if c == nil || c.lost {
		return
	}
	if replied {
		l.worked = true
		if c.many == nil && !c.left {
			l.tally.returned(l.reply.head.outcome, l.pool.born, c.since)
		}
	}
	l.call, c.input, c.many = nil, nil, nil // an idle worker keeps no input of a caller's alive
	l.settled.Signal()
}

// release settles the call, and makes the worker take the next task, unless its process is gone.
func (l *link) release(replied bool) {
	l.pool.release(l, replied, l.spent())
}

// clear keeps the buffers of the call for the next one, if they are not large, and nobody reads its input. The pool's mu is held.
func (l *link) clear() {
	l.buf, l.reply.payload = kept(l.buf), kept(l.reply.payload)
	if l.shown {
		l.buf, l.shown = nil, false
	}
}

// helped takes note that it is not the worker's fault what follows.
func (l *link) helped() {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.worked = true
}

// mourn gives c up as lost: the process is dead, or has to go for the reason why. It returns when
// the process is gone, and it is known whether c was begun.
func (l *link) mourn(c *call, why error) {
	l.endNest()
	l.kill()
	l.pool.mu.Lock()
	c.lost, c.fault = true, blame(why)
	l.pool.mu.Unlock()
	l.settled.Broadcast()
	<-l.gone
}

// abandon tells the worker that nobody waits for c any more, and reads its reply on the caller's
// behalf. After the grace period the worker is killed.
func (l *link) abandon(c *call) {
	l.state.cancelled.Store(c.id)
	l.cancels.Broadcast()
	l.pool.keep.Go(func() {
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if l.pool.grace >= 0 {
			ctx, cancel = context.WithTimeout(ctx, l.pool.grace)
		}
		defer cancel()
		if err := l.read(ctx, c); err != nil {
			l.mourn(c, err)
			return
		}
		l.release(true)
	})
}

// keep tells of the worker's death, and has it replaced.
func (l *link) keep() {
	l.bury()
	l.pool.withdraw(l)
	c := l.settleLast()
	if c != nil {
		l.reckon(c)
	}
	l.code, l.sig = l.status()
	if l.inside == nil {
		l.oom = l.pool.oom.verdict(l.sig, time.Now())
	}
	over, retired := l.pool.fate(l)
	unneeded := l.pool.unneeded(l)
	inOrder := retired && c == nil
	switch {
	case inOrder:
		l.pool.tell(Event{Kind: WorkerRetired, ID: l.id, Pid: l.pid(), Err: l.ending()})
	case !over || c != nil:
		l.pool.tell(l.obituary(c))
	}
	l.pool.record(l)
	shatters := !over && !inOrder && l.pool.fragile
	if shatters {
		l.pool.shatter(l, c) // before whoever waits for gone has others make what l did not begin
	}
	close(l.gone)
	l.free()
	switch {
	case over || inOrder && unneeded:
	case inOrder:
		l.pool.refill(l)
	case shatters:
		l.pool.tell(Event{Kind: PoolBroken, Err: l.pool.why()})
	default:
		l.pool.succeed(l, unneeded)
	}
	if l.inside == nil {
		_ = l.process.Wait(context.Background()) // for its output, which nobody but Join waits for
	}
}

// free gives back what a process had in this one.
func (l *link) free() {
	if l.inside == nil {
		_ = l.seg.Close()
		l.meter.close()
	}
}

// obituary tells of the death, and of the call that was lost by it, if there was one.
func (l *link) obituary(c *call) Event {
	e := Event{Kind: WorkerLost, ID: l.id, Pid: l.pid(), Code: l.code, Signal: l.sig, OOM: l.oom}
	if c == nil {
		return e
	}
	e.Err = c.fault
	if c.begun {
		e.Task, e.Attempt = c.task, c.attempt
		switch {
		case l.pool.onEvent == nil:
		case c.many != nil:
			e.Input = c.saw
		default:
			e.Input = c.input(l.buf)
		}
	}
	return e
}

// settleLast waits until the call that is under way is settled, and returns it if it is lost. With
// the process, all its stores came to an end.
func (l *link) settleLast() *call {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	for l.call != nil && !l.call.lost {
		l.settled.Wait()
	}
	return l.call
}

// reckon finds out whether c, which is lost, was begun.
func (l *link) reckon(c *call) {
	switch {
	case l.inside != nil: // it has said so itself
	case c.many != nil:
		c.many.reckon(c, l.state)
	default:
		// The claim of a worker that breaks the protocol proves nothing.
		c.begun = c.fault != nil || l.state.claimed.Load()&^returned == c.id
	}
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.worked = l.worked || c.begun
	if c.begun && !c.left {
		l.tally.lost++
	}
}

// status is how the worker ended. It has.
func (l *link) status() (code int, signal syscall.Signal) {
	if l.inside != nil {
		return -1, syscall.SIGKILL // nobody is told of another end
	}
	var exit *proc.ExitError
	if errors.As(l.process.Err(), &exit) {
		signal, _ = exit.Signal.(syscall.Signal)
		return exit.Code, signal
	}
	return 0, 0
}

// end is the end of the worker as an error, that of a good one included.
func (l *link) end() error {
	if l.inside != nil {
		return fmt.Errorf("worker %d: %w", l.id, l.ending())
	}
	<-l.process.Done()
	err := l.process.Err()
	if err == nil {
		err = fmt.Errorf("%q (pid %d): exit status 0", l.process.Name(), l.process.Pid())
	}
	if words := lastWords(l.process.LastStderr()); words != "" {
		return fmt.Errorf("%w%s", err, words)
	}
	return err
}

// look says what the worker does. The input is decoded by code of the user's, so under no lock.
func (l *link) look() Worker {
	w := Worker{ID: l.id, Pid: l.pid()}
	c, input := l.claimed()
	if c.many != nil {
		if r, ok := c.many.running(l.state); ok {
			w.Running = &r
		}
	} else if c.id != 0 {
		w.Running = &Running{Task: c.task, Input: c.input(input), Attempt: c.attempt, Since: l.pool.born.Add(c.since)}
	}
	return w
}

// claimed is the call that the worker has claimed, and its encoded input, which may be a gigabyte and is no copy. Its caller is behind began, and does not
// touch it any more.
func (l *link) claimed() (c call, input []byte) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	switch {
	case l.call == nil || l.inside == nil && l.seg.Engine().IsClosed():
		return c, nil
	case l.call.many != nil:
		return call{many: l.call.many}, nil
	case l.call.since == 0 || l.inside == nil && l.state.claimed.Load() != l.call.id:
		return c, nil
	}
	l.shown = true
	return *l.call, l.buf
}

// Restarts of one worker are bounded: after so many processes in a row that were for nothing, because
// they could not be started, or died young without having begun a task, it is given up, until revive. What dies of
// its tasks is replaced for ever.
const (
	maxBarren    = 5
	young        = time.Second
	restartPause = 10 * time.Millisecond // before the second in a row, and twice as long each time

	// In place of how many were for nothing: a single process, in a place that was given up before, and that it came to nothing, too.
	onTrial     = -2
	failedTrial = onTrial + 1
)

// inVain reports whether the process was for nothing. It is gone.
func (l *link) inVain() bool {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	return !l.worked && time.Since(l.seated) < young
}

// replace puts a new process in the place of a worker's, after so many that were for nothing. Why is how that died; nil: it
// did not.
func (p *Pool) replace(id, barren int, why error) {
	for died := why != nil; ; barren++ {
		if barren == failedTrial || barren > maxBarren {
			if p.giveUpWorker(id, barren, why) {
				return
			}
			barren = 1 // the trial was the first
		}
		if !p.pause(barren) || !p.wanted(id) {
			return
		}
		l, err := p.employ(id)
		if err == nil {
			l.barren, l.restart = barren, died
			p.seat(l)
			return
		}
		why = err
	}
}

// employ is connect that counts a start that failed, and tells of it, unless no worker comes any more.
func (p *Pool) employ(id int) (*link, error) {
	l, err := p.connect(id)
	if err != nil && p.ctx.Err() == nil {
		p.mu.Lock()
		p.past(id).FailedStarts++
		p.mu.Unlock()
		p.tell(Event{Kind: WorkerFailed, ID: id, Err: err})
	}
	return l, err
}

// pause keeps a failure from repeating itself at full speed. It reports false if the pool is closed.
func (p *Pool) pause(barren int) bool {
	if barren > 1 {
		select {
		case <-time.After(restartPause << (barren - 2)):
		case <-p.ctx.Done():
		}
	}
	return p.ctx.Err() == nil
}
