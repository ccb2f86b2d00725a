package pool

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// mapping is one Map under way. The caller's goroutine takes inputs and yields results; for each worker that the pool may have there is a
// driver, a goroutine that has the calls made.
//
//	who              what he alone writes
//	the caller       ring, from pushed on; pushed; how many results were yielded
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

	ring   []In // a power of two of them
	pushed atomic.Uint64
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
	batchTime  = 200 * time.Microsecond
	mostWanted = 4096
	// lookEvery is how often it is looked whether a worker is at something slow, with others behind it.
	lookEvery = 20 * time.Millisecond
	// lingering is how long a driver waits for more inputs when calls are quick, and few are there.
	lingering = 100 * time.Microsecond
)

// inputs are a load of a mapping: some of its inputs, and their results.
type inputs[In, Out any] struct {
	m    *mapping[In, Out]
	at   uint64 // position of the first
	in   []In
	out  []Out
	errs []error // nil: there are none
	part bool    // it shares its memory with others
}

func newMapping[In, Out any](ctx context.Context, t *Typed[In, Out], p *Pool, chunk int, ordered bool) *mapping[In, Out] {
	m := &mapping[In, Out]{task: t, pool: p, ctx: ctx, ordered: ordered, chunk: chunk, width: p.Size()}
	m.work.L, m.results.L = &m.mu, &m.mu
	m.alarm.Store(math.MaxUint64)
	m.window.Store(1)
	m.want.Store(int64(max(chunk, 1)))
	if at, ok := ctx.Deadline(); ok {
		m.when = at.UnixNano()
	}
	m.grow(m.bound())
	return m
}

// bound is how many inputs may be taken whose results are not yielded.
func (m *mapping[In, Out]) bound() uint64 { return uint64(ahead * m.width * int(m.want.Load())) }

// grow makes the ring one of at least n places. Only the caller's goroutine calls it.
func (m *mapping[In, Out]) grow(n uint64) {
	if n <= uint64(len(m.ring)) {
		return
	}
	ring := make([]In, 1<<bits.Len64(n-1))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := m.taken; i < m.pushed.Load(); i++ {
		ring[i%uint64(len(ring))] = m.ring[i%uint64(len(m.ring))]
	}
	m.ring = ring
}

// push adds an input, for which there is room.
func (m *mapping[In, Out]) push(in In) {
	n := m.pushed.Load()
	m.ring[n&uint64(len(m.ring)-1)] = in
	m.pushed.Store(n + 1) // pairs with the load in available; and the load that follows with the store in await
	if n+1 >= m.alarm.Load() {
		m.wake()
	}
}

// wake has a driver look, because there is more.
func (m *mapping[In, Out]) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rouse()
}

// rouse wakes a driver that waits. The mapping's mu is held.
func (m *mapping[In, Out]) rouse() {
	if m.idle > 0 {
		m.idle--
		m.work.Signal()
	}
	if m.idle > 0 {
		m.alarm.Store(m.pushed.Load() + 1)
	} else {
		m.alarm.Store(math.MaxUint64)
	}
}

// rouseAll wakes all drivers that wait. The mapping's mu is held.
func (m *mapping[In, Out]) rouseAll() {
	m.idle = 0
	m.alarm.Store(math.MaxUint64)
	m.work.Broadcast()
}

// linger is the end of a driver's patience.
func (m *mapping[In, Out]) linger() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rouseAll()
}

// close says that no more inputs come.
func (m *mapping[In, Out]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.rouseAll()
}

// available is how many inputs there are that nobody has taken. The mapping's mu is held.
func (m *mapping[In, Out]) available() int { return int(m.pushed.Load() - m.taken) }

// enough is how many inputs a driver had rather wait for than take fewer.
func (m *mapping[In, Out]) enough() int { return max(int(m.want.Load())/2, m.chunk, 1) }

// await waits until there is work, and reports false if there will be none.
func (m *mapping[In, Out]) await() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	lingers := false
	for {
		n := m.available()
		if len(m.back) > 0 {
			return true
		}
		if m.closed && n == 0 && m.done == m.pushed.Load() {
			m.rouseAll()
			return false
		}
		if n >= m.enough() || n > 0 && (m.closed || m.hungry || lingers || m.ctx.Err() != nil) {
			if n > int(m.want.Load()) {
				m.rouse() // for the rest
			}
			return true
		}
		need := uint64(1)
		if n > 0 {
			need = uint64(m.enough())
			defer time.AfterFunc(lingering, m.linger).Stop()
			lingers = true
		}
		m.alarm.Store(min(m.alarm.Load(), m.taken+need)) // this store pairs with the load in push, and the load that follows with the store there
		if m.available() >= int(need) {
			continue
		}
		m.idle++
		m.work.Wait() // who wakes it has counted it out
	}
}

// take is what a driver has of the inputs.
func (m *mapping[In, Out]) take(most int, underWay bool) *batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := len(m.back) - 1; i >= 0 {
		b := m.back[i]
		m.back = m.back[:i]
		if b.n > most {
			m.back = append(m.back, b.split(most))
		}
		return b
	}
	n := m.available()
	if n == 0 || underWay && n < m.enough() && !m.hungry {
		return nil
	}
	n = min(n, int(m.want.Load()), most)
	w := m.blank(n)
	w.at = m.taken
	for i := range n {
		place := &m.ring[(m.taken+uint64(i))&uint64(len(m.ring)-1)]
		w.in[i] = *place
		var none In
		*place = none
	}
	m.taken += uint64(n)
	return &batch{load: w, n: n, attempt: 1}
}

// blank are n inputs. The mapping's mu is held.
func (m *mapping[In, Out]) blank(n int) *inputs[In, Out] {
	if i := len(m.spare) - 1; i >= 0 && cap(m.spare[i].in) >= n {
		w := m.spare[i]
		m.spare = m.spare[:i]
		w.in, w.out = w.in[:n], w.out[:n]
		return w
	}
	room := 1 << bits.Len(uint(n-1))
	return &inputs[In, Out]{m: m, in: make([]In, n, room), out: make([]Out, n, room)}
}

// again takes back what was not begun, or is to be begun again.
func (m *mapping[In, Out]) again(b *batch) {
	if b.n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.back = append(m.back, b)
	m.rouse()
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
	want := min(max(int64(batchTime)/d, 1), mostWanted, 4*m.want.Load())
	if m.chunk > 0 {
		want = max(want/int64(m.chunk), 1) * int64(m.chunk)
	}
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
	m.ready = append(m.ready, w)
	m.done += uint64(len(w.in))
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
		l.release()
		return
	}
	w := b.load.(*inputs[In, Out])
	err := m.pool.persist(m.ctx, m.pool.after(l), func(l *link, attempt int) error {
		return m.task.try(m.ctx, l, w.in[0], &w.out[0], attempt)
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
}

// Methods of load.

func (w *inputs[In, Out]) encode(dst []byte, i int, limit uint64) ([]byte, error) {
	t := w.m.task
	if t.err != nil {
		return dst, t.err
	}
	b, err := appended(t.in, dst, w.in[i])
	if size := uint64(len(b) - len(dst)); err == nil && size > limit {
		err = fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	if err != nil {
		return dst, fmt.Errorf("pool: task %q: its input: %w", t.name, err)
	}
	return b, nil
}

func (w *inputs[In, Out]) frames(dst []byte, i, most, n int) ([]byte, int) {
	c := w.m.task.in
	if w.m.task.err != nil || !c.Plain() || uint64(c.Size()) > w.m.pool.limit {
		return dst, 0
	}
	in := w.in[i:]
	in = in[:min(len(in), most, n/(frameSize+c.Size()))]
	for k := range in {
		at := len(dst)
		b, err := c.Append(append(dst, 0, 0, 0, 0), in[k])
		if err != nil {
			return dst, k
		}
		putFrame(b[at:], 0)
		dst = b
	}
	return dst, len(in)
}

func (w *inputs[In, Out]) settleRow(i, n int, row []byte) (rest []byte, done int) {
	c := w.m.task.out
	if w.m.task.err != nil || !c.Plain() {
		return row, 0
	}
	out := w.out[i : i+n]
	for k := range out {
		b, outcome, rest, err := nextFrame(row)
		if err != nil || outcome != outcomeResult || c.Decode(b, &out[k]) != nil {
			return row, k
		}
		row = rest
	}
	return row, n
}

func (w *inputs[In, Out]) input(i int) any { return w.in[i] }

func (w *inputs[In, Out]) settle(i int, outcome uint32, payload []byte) {
	if err := w.m.task.result(outcome, payload, &w.out[i]); err != nil {
		w.fail(i, err)
	}
}

func (w *inputs[In, Out]) fail(i int, err error) {
	if w.errs == nil {
		w.errs = make([]error, len(w.in))
	}
	w.errs[i] = err
}

func (w *inputs[In, Out]) split(i int) load {
	rest := &inputs[In, Out]{m: w.m, at: w.at + uint64(i), in: w.in[i:], out: w.out[i:], part: true}
	w.in, w.out, w.part = w.in[:i:i], w.out[:i:i], true
	if w.errs != nil {
		rest.errs = w.errs[i:]
		w.errs = w.errs[:i:i]
	}
	return rest
}

func (w *inputs[In, Out]) done() {
	if len(w.in) > 0 {
		w.m.deliver(w)
	}
}

func (w *inputs[In, Out]) give(i int, err error) {
	w.part = true
	other := *w
	other.errs = make([]error, len(w.in))
	copy(other.errs, w.errs)
	for ; i < len(w.in); i++ {
		other.errs[i] = err
	}
	w.m.deliver(&other)
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
