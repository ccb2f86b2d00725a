package pool

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/word"
)

// mapping is one Map under way. The caller's goroutine takes inputs and yields results; for each worker that the pool may have there is a
// driver, a goroutine that has the calls made.
//
//	who              what he alone writes
//	the caller       ring, from next on; next and pushed; how many results were yielded
//	the drivers      what they have taken; a batch, until its done
//	under mu         taken, back, ready, idle, and what else is below it
//
// An input is in the ring, in a batch that a driver has, in back, which holds batches that are to be begun again or were withdrawn, or in ready, as
// its result, which it leaves for good when it is yielded.
type mapping[In, Out any] struct {
	task    *Typed[In, Out]
	pool    *Pool
	ctx     context.Context
	when    int64
	ordered bool
	chunk   int // inputs in a request; 0: by how long they take
	width   int // drivers

	whole  *whole[In, Out] // MapSlice's; nil: what follows has the inputs
	ring   []In            // a power of two of them
	next   uint64
	pushed word.Uint64   // next, for the drivers
	alarm  atomic.Uint64 // a driver waits until so many are pushed
	some   atomic.Bool   // next has something to yield
	want   atomic.Int64  // inputs in a batch
	window atomic.Int64  // batches under way at a worker
	each   atomic.Int64  // nanoseconds that a call takes, as was measured last; 0: it was not

	mu       sync.Mutex
	work     sync.Cond // there are inputs, or none will come
	results  sync.Cond // next has something to yield
	taken    uint64    // inputs that were in the ring
	back     []*batch
	ready    []*inputs[In, Out]
	at       uint64 // position of the result that is yielded next; ordered
	done     uint64 // results that were in ready
	hungry   bool   // the caller waits for a result
	closed   bool   // no more inputs come
	idle     int    // drivers that wait
	spare    []*inputs[In, Out]
	sittings []*sitting
	watching bool
	watch    *time.Timer
}

// Bounds of a Map. A batch is as many inputs as take about batchTime, so that what is handed out at a time is little, and what
// takes longer than that is handed out one by one.
const (
	batchTime  = 400 * time.Microsecond
	mostWanted = 8192
	// mostUnmeasured is how many inputs a batch has at most before this Map has measured a call.
	mostUnmeasured = 256
	// lookEvery is how often it is looked whether a worker is at something slow, with others behind it.
	lookEvery = 20 * time.Millisecond
	// lingering is how long a driver waits for more inputs when calls are quick, and few are there.
	lingering = 100 * time.Microsecond
	// lookingAgain is when a driver that waits looks once more: an input that came as it went to wait is there to be seen long before.
	lookingAgain = time.Millisecond
)

func newMapping[In, Out any](ctx context.Context, t *Typed[In, Out], p *Pool, chunk int, ordered bool) *mapping[In, Out] {
	m := &mapping[In, Out]{task: t, pool: p, ctx: ctx, ordered: ordered, chunk: chunk, width: p.Size()}
	m.work.L, m.results.L = &m.mu, &m.mu
	m.alarm.Store(math.MaxUint64)
	m.window.Store(1)
	m.want.Store(m.firstWanted())
	if at, ok := ctx.Deadline(); ok {
		m.when = at.UnixNano()
	}
	return m
}

// firstWanted is how many inputs a batch has before a call was measured: some, if calls of the task were short before.
func (m *mapping[In, Out]) firstWanted() int64 {
	d := m.task.each.Load()
	if d == 0 {
		return m.chunks(1)
	}
	return m.chunks(min(int64(batchTime)/d, mostUnmeasured))
}

// chunks are as many inputs as n, but of whole chunks, and one at least.
func (m *mapping[In, Out]) chunks(n int64) int64 {
	chunk := int64(max(m.chunk, 1))
	return max(n/chunk, 1) * chunk
}

// shape is how many calls a request has, and how many batches may be under way at a worker.
func (m *mapping[In, Out]) shape() (each, batches int) {
	each = m.chunk
	if each == 0 {
		each = int(m.want.Load())
	}
	return each, int(m.window.Load())
}

// measured takes note of how long calls took.
func (m *mapping[In, Out]) measured(each time.Duration) {
	d := int64(max(each, 1))
	if before := m.each.Load(); before != 0 && d > before && each < slow {
		d = before + (d-before)/8 // waits are measured, too: what is short counts for more
	}
	m.each.Store(d)
	m.task.each.Store(d)
	want := m.chunks(min(int64(batchTime)/d, mostWanted, 4*m.want.Load()))
	window := int64(1)
	if d < int64(time.Millisecond) {
		window = 2
	}
	m.want.Store(want)
	m.window.Store(window)
}

// deliver hands the results of w to the caller.
func (m *mapping[In, Out]) deliver(w *inputs[In, Out]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += uint64(len(w.in))
	if m.whole != nil {
		m.whole.note(w)
	} else {
		m.ready = append(m.ready, w)
	}
	if m.find() >= 0 {
		m.some.Store(true)
		if m.hungry {
			m.results.Signal()
		}
	}
	if m.closed && m.done == m.pushed.Load() {
		m.rouseAll()
	}
}

// find is where in ready what is yielded next is; -1: nowhere. The mapping's mu is held.
func (m *mapping[In, Out]) find() int {
	for i, w := range m.ready {
		if !m.ordered || w.at == m.at {
			return i
		}
	}
	return -1
}

// pick is what is yielded next. It waits for it.
func (m *mapping[In, Out]) pick() *inputs[In, Out] {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find()
	for i < 0 {
		m.hungry = true
		m.rouseAll() // what there is is enough
		m.results.Wait()
		i = m.find()
	}
	m.hungry = false
	w := m.ready[i]
	last := len(m.ready) - 1
	if m.ordered {
		m.ready[i] = m.ready[last]
	} else {
		copy(m.ready[i:], m.ready[i+1:])
	}
	m.ready[last] = nil
	m.ready = m.ready[:last]
	m.at += uint64(len(w.in))
	m.some.Store(m.find() >= 0)
	return w
}

// keep takes the memory of what was yielded for what comes.
func (m *mapping[In, Out]) keep(w *inputs[In, Out]) {
	if w.part {
		return
	}
	clear(w.in)
	clear(w.out)
	w.errs = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spare = append(m.spare, w)
}

// drive has calls made until there are none.
func (m *mapping[In, Out]) drive() {
	for m.await() {
		if err := m.pool.enter(); err != nil {
			m.refuse(err)
			continue
		}
		m.round()
		m.pool.calls.Done()
	}
}

// round has some calls made, by one worker.
func (m *mapping[In, Out]) round() {
	l, err := m.pool.acquire(m.ctx)
	if err != nil {
		m.refuse(err)
		return
	}
	if l.inside != nil {
		m.inside(l)
		return
	}
	s := &sitting{
		link: l, ctx: m.ctx, task: m.task.name, hash: m.task.hash, types: m.task.types, when: m.when, source: m,
	}
	m.attend(s)
	s.sit()
	m.dismiss(s)
}

// inside is round where there are no processes.
func (m *mapping[In, Out]) inside(l *link) {
	b := m.take(1, false)
	if b == nil {
		l.release(false)
		return
	}
	w := b.load.(*inputs[In, Out])
	err := m.pool.persist(m.ctx, l, m.pool.acquire, func(l *link, attempt int) error {
		return m.task.try(m.ctx, l, &w.in[0], &w.out[0], attempt)
	})
	if err != nil {
		w.fail(0, err)
	}
	m.deliver(w)
}

// refuse settles what there is, if there is something, with err.
func (m *mapping[In, Out]) refuse(err error) {
	b := m.take(math.MaxInt, false)
	if b == nil {
		return
	}
	if b.died != nil {
		err = fmt.Errorf("%w, and cannot begin it again: %w", b.died, err)
	}
	for i := range b.n {
		b.fail(i, err)
	}
	b.done()
}

// attend has the sitting watched.
func (m *mapping[In, Out]) attend(s *sitting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sittings = append(m.sittings, s)
	if m.watch == nil {
		m.watch = time.AfterFunc(lookEvery, m.look)
	} else if !m.watching {
		m.watch.Reset(lookEvery)
	}
	m.watching = true
}

func (m *mapping[In, Out]) dismiss(s *sitting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, other := range m.sittings {
		if other == s {
			last := len(m.sittings) - 1
			m.sittings[i] = m.sittings[last]
			m.sittings = m.sittings[:last]
			return
		}
	}
}

// look has what waits behind something slow taken back.
func (m *mapping[In, Out]) look() {
	m.mu.Lock()
	all := append([]*sitting(nil), m.sittings...)
	m.mu.Unlock()
	for _, s := range all {
		s.withdraw()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watching = len(m.sittings) > 0; m.watching {
		m.watch.Reset(lookEvery)
	}
}

// end waits until nothing is left.
func (m *mapping[In, Out]) end(drivers *sync.WaitGroup) {
	m.close()
	drivers.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watch != nil {
		m.watch.Stop()
	}
	if m.whole == nil {
		m.handOn()
	}
}

// run yields the results of what inputs has.
func (m *mapping[In, Out]) run(inputs func(yield func(In) bool), yield func(Out, error) bool) {
	ctx, cancel := context.WithCancel(m.ctx)
	m.ctx = ctx
	var drivers sync.WaitGroup
	defer m.end(&drivers)
	defer cancel()
	for range m.width {
		drivers.Go(m.drive)
	}
	var taken, yielded uint64
	pop := func() bool {
		w := m.pick()
		yielded += uint64(len(w.in))
		for i := range w.out {
			var err error
			if w.errs != nil {
				err = w.errs[i]
			}
			if !yield(w.out[i], err) {
				return false
			}
		}
		m.keep(w)
		return true
	}
	bound := m.bound()
	var over error
	for in := range inputs {
		if over = ctx.Err(); over != nil {
			break // not before in was taken: its error says that the results end here
		}
		for taken-yielded >= bound || m.some.Load() {
			if !pop() {
				return
			}
			bound = m.bound()
			m.grow(bound)
		}
		m.push(in)
		taken++
	}
	m.close()
	for taken > yielded {
		if !pop() {
			return
		}
	}
	if over != nil {
		var none Out
		yield(none, over)
	}
}
