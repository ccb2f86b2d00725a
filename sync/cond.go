package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Cond is a condition variable for a Mutex or an RMutex: somebody waits, without the lock, until somebody
// else says that what the lock guards has changed. It takes 32 bytes, and 16 in the heap for the row of each
// process that waits at it.
//
// A row says how many goroutines of its process wait, and how many of them are signalled. Signal adds one
// to a row that has a waiter without a signal; whoever waits there takes it. So a signal goes to
// somebody who waited when it was given, and to nobody who came later. The signals of a process that dies
// before it takes them go to others who wait; after a death, therefore, a Wait may return once too
// often, never once too few. So may one that begins while somebody else of its process has yet to take a signal: which of
// them takes it nobody can say, so both go on. No call waits for anybody who was signalled.
type Cond struct {
	_ noCopy
	place
	state  *CondState
	point  *segment.Point
	ledger *ledger
}

// Lockable is a lock that Cond.Wait gives up and takes again: a *Mutex; the *Hold of an RMutex, however
// often it is locked; a *RWMutex that is locked for writing, or what its Reading returns.
type Lockable interface {
	release() error
	regain(ctx context.Context) error
}

func (m *Mutex) release() error                   { return m.Unlock() }
func (m *Mutex) regain(ctx context.Context) error { return m.Lock(ctx) }

func (h *Hold) release() error {
	if h.depth == 0 {
		return h.spent("unlock")
	}
	return h.m.mu.Unlock()
}

func (h *Hold) regain(ctx context.Context) error {
	err := h.m.mu.Lock(ctx)
	if err != nil && !isOwnerDied(err) {
		h.depth = 0
	}
	return err
}

const (
	signalBits = 32
	oneWaiter  = 1 << signalBits
	signalMask = oneWaiter - 1
)

var condShape = shapeOf[CondState](segment.KindCond, 0)

// NewCond makes a Cond in seg. It fails with shm.ErrExist if the name is taken, and with shm.ErrNoSpace.
func NewCond(seg *shm.Segment, opts ...shm.ObjectOption) (*Cond, error) {
	return condOf(condShape.make(seg, nil, opts))
}

// OpenCond finds the Cond of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if something
// else has the name.
func OpenCond(seg *shm.Segment, name string) (*Cond, error) {
	return condOf(condShape.open(seg, name))
}

// OpenOrNewCond opens the Cond of that name, or makes it, whoever else does the same. For its errors see
// OpenCond and NewCond.
func OpenOrNewCond(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Cond, error) {
	return segment.OrNew(func() (*Cond, error) { return OpenCond(seg, name) },
		func() (*Cond, error) { return NewCond(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// CondFrom returns the Cond that ref names. It fails with shm.ErrStale if it is not in seg.
func CondFrom(seg *shm.Segment, ref shm.Ref) (*Cond, error) {
	return condOf(condShape.from(seg, ref))
}

// CondAt returns the handle of a CondState that lies in seg, as part of a struct of the user's own. It fails
// with shm.ErrStale if it does not lie there.
func CondAt(seg *shm.Segment, state *CondState) (*Cond, error) {
	p, err := condShape.at(seg, state)
	return condOf(p, state, err)
}

func condOf(p place, state *CondState, err error) (*Cond, error) {
	if err != nil {
		return nil, err
	}
	c := &Cond{place: p, state: state, point: p.seg.Point(p.off+condEvent, segment.Shared)}
	c.ledger = ledgerAt(p, c.point, sideBySide, &state.rows, state.settle)
	return c, nil
}

// Ref names the Cond. It is zero if the handle came from CondAt.
func (c *Cond) Ref() shm.Ref { return c.ref() }

// Wait unlocks l, waits for a signal or the end of ctx, and locks l again, however long that takes. Those
// who wait use the same lock. Whatever Wait returns, l is locked, as before, but for shm.ErrClosed and
// ErrNotRecoverable. ErrOwnerDied is that of the lock (see Mutex.Lock). A ctx that is over ends it at once,
// with the context's error; a signal that comes at the same time wins. It also fails with ErrNotHeld if l is
// not locked, and with shm.ErrNoSpace if there is no room for a row.
func (c *Cond) Wait(ctx context.Context, l Lockable) error {
	r, err := c.ledger.own()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return c.wrap("wait for", err)
	}
	c.ledger.enlist(r) // before the unlock, so that who locks next signals this one
	if err := l.release(); err != nil {
		if c.ledger.forgo(r) {
			c.ledger.use(r)
		}
		return c.wrap("wait for", err)
	}
	err = c.point.Wait(ctx, segment.Wait{
		Try:   func() bool { c.ledger.bury(); return c.ledger.heed(r) },
		Poll:  func() bool { return c.ledger.heed(r) },
		Slept: c.ledger.sweep,
	})
	if err != nil && c.ledger.forgo(r) {
		err = nil
	}
	heeded := err == nil
	if heeded {
		c.ledger.hear()
	}
	if e := l.regain(context.WithoutCancel(ctx)); e != nil {
		err = errors.Join(err, e)
	}
	if heeded {
		c.ledger.use(r)
	}
	return c.wrap("wait for", err)
}

// WaitFor waits until predicate, which is called with l locked, reports true. When ctx is over it
// is called once more. For the rest it is Wait.
func (c *Cond) WaitFor(ctx context.Context, l Lockable, predicate func() bool) error {
	for !predicate() {
		err := c.Wait(ctx, l)
		if err == nil {
			continue
		}
		if over := ctx.Err(); over != nil && errors.Is(err, over) && !isOwnerDied(err) && predicate() {
			return nil
		}
		return err
	}
	return nil
}

// enlist adds a waiter to the row. If others there have yet to take a signal, it brings one of its own: it might take theirs.
func (l *ledger) enlist(r *row) {
	l.heeding.Lock()
	defer l.heeding.Unlock()
	for {
		n := r.count.Load()
		more := uint64(oneWaiter)
		if n&signalMask > l.heeded {
			more++
		}
		if r.count.CompareAndSwap(n, n+more) {
			return
		}
	}
}

// heed takes a signal that one of this process's waiters has. The signal stays in the row, and the waiter with it,
// until that has the lock again (use): if the process dies on the way, whoever settles the row gives the signal to
// somebody else. Which signals are taken already only this process need know.
func (l *ledger) heed(r *row) bool {
	if r.count.Load()&signalMask == 0 { // a look is shared among those who poll
		return false
	}
	l.heeding.Lock()
	defer l.heeding.Unlock()
	n := r.count.Load()
	if n&signalMask <= l.heeded || n < oneWaiter {
		return false
	}
	l.heeded++
	return true
}

// use takes a waiter off the row, with the signal that it has heeded.
func (l *ledger) use(r *row) {
	l.heeding.Lock()
	defer l.heeding.Unlock()
	l.heeded--
	for n := r.count.Load(); n >= oneWaiter && n&signalMask > 0; n = r.count.Load() { // else they are Close's zeros
		if r.count.CompareAndSwap(n, n-oneWaiter-1) {
			return
		}
	}
}

// forgo takes a waiter off the row that gives up. If all who wait there have a signal, this one has, and heeds it,
// which forgo reports.
func (l *ledger) forgo(r *row) bool {
	l.heeding.Lock()
	defer l.heeding.Unlock()
	for n := r.count.Load(); n >= oneWaiter; n = r.count.Load() {
		if signals := n & signalMask; signals > l.heeded && signals >= n>>signalBits {
			l.heeded++
			return true
		}
		if r.count.CompareAndSwap(n, n-oneWaiter) {
			return false
		}
	}
	return false
}

// Signal wakes one who waits, if anybody does, whether or not the caller has the lock. It never blocks. It
// fails with shm.ErrClosed and shm.ErrReadOnly.
func (c *Cond) Signal() error {
	if err := c.seg.Writable(); err != nil {
		return c.wrap("signal", err)
	}
	c.ledger.say()
	if c.state.give(c.ledger) {
		c.point.Broadcast()
	}
	return c.wrap("signal", c.seg.Writable())
}

// Broadcast wakes all who wait. For the rest it is Signal.
func (c *Cond) Broadcast() error {
	if err := c.seg.Writable(); err != nil {
		return c.wrap("broadcast to", err)
	}
	c.ledger.say()
	c.ledger.signalAll()
	c.point.Broadcast()
	return c.wrap("broadcast to", c.seg.Writable())
}

// signalAll gives everybody a signal who waits.
func (l *ledger) signalAll() {
	for r, dead := range l.each {
		for n := r.count.Load(); !dead && n&signalMask < n>>signalBits; n = r.count.Load() {
			r.count.CompareAndSwap(n, n&^signalMask|n>>signalBits)
		}
	}
}

// give gives a signal to somebody who waits without one.
func (c *CondState) give(l *ledger) bool {
	rows := l.rows()
	if len(rows) == 0 {
		return false
	}
	first := int(c.turn.Add(1) % uint64(len(rows)))
	for i := range rows {
		r := rows[(first+i)%len(rows)]
		w := r.owner.Load()
		if w == 0 || w&settling != 0 || l.seg.Swept(segment.OwnerOf(w)) {
			continue
		}
		for n := r.count.Load(); n&signalMask < n>>signalBits; n = r.count.Load() {
			if r.count.CompareAndSwap(n, n+1) {
				return true
			}
		}
	}
	return false
}

// manySignals are so many that everybody else gets one.
const manySignals = 1000

// settle gives the signals of a dead process to others. It may do so twice if it dies on the way.
func (c *CondState) settle(l *ledger, r *row) {
	for given := uint64(0); ; {
		n := r.count.Load()
		signals := min(n&signalMask, n>>signalBits)
		if signals > manySignals {
			l.signalAll()
			given = signals
		}
		for given < signals && c.give(l) {
			given++
		}
		if r.count.CompareAndSwap(n, 0) {
			break
		}
	}
	// A signaller may have died, or be stopped, before this.
	l.point.Broadcast()
}

// CondInfo is what a Cond looks like to an observer of its segment.
type CondInfo struct {
	Waiting   uint64 `json:"waiting"`   // goroutines, of all processes that live
	Signalled uint64 `json:"signalled"` // of them, those who have yet to go on
	Processes int    `json:"processes"` // that live and have waited
}

// String tells the state in words.
func (c CondInfo) String() string {
	return fmt.Sprintf("%d waiting, %d signalled", c.Waiting, c.Signalled)
}

func (c *CondState) info(seg *segment.Segment) (i CondInfo) {
	for r, dead := range newLedger(seg, sideBySide, &c.rows, nil).each {
		if !dead && seg.Participant(segment.OwnerOf(r.owner.Load())).Alive {
			n := r.count.Load()
			i.Processes++
			i.Waiting += n >> signalBits
			i.Signalled += n & signalMask
		}
	}
	return i
}
