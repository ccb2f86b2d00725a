package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// WaitGroup waits for work that processes do. It takes 64 bytes, and 16 in the heap for the row
// of each process that answers for work.
//
// Each unit of work has a process that answers for it: the one that called Add, or that took it over
// with Take. When that process dies, what it answers for counts as done, and Wait says so. A worker that
// is handed work therefore calls Take first:
//
//	parent                          each child
//	wg.Add(children)                wg.Take(ctx, 1)
//	start the children              work
//	wg.Wait(ctx)                    wg.Done()
type WaitGroup struct {
	_ noCopy
	place
	state  *WaitGroupState
	lock   segment.Lock
	point  *segment.Point
	ledger *ledger
}

var waitGroupShape = shapeOf[WaitGroupState](segment.KindWaitGroup, 0)

// NewWaitGroup makes a WaitGroup in seg, with no work. It fails with shm.ErrExist if the name is taken, and
// with shm.ErrNoSpace.
func NewWaitGroup(seg *shm.Segment, opts ...shm.ObjectOption) (*WaitGroup, error) {
	return waitGroupOf(waitGroupShape.make(seg, nil, opts))
}

// OpenWaitGroup finds the WaitGroup of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenWaitGroup(seg *shm.Segment, name string) (*WaitGroup, error) {
	return waitGroupOf(waitGroupShape.open(seg, name))
}

// OpenOrNewWaitGroup opens the WaitGroup of that name, or makes it, whoever else does the same. For its errors see
// OpenWaitGroup and NewWaitGroup.
func OpenOrNewWaitGroup(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*WaitGroup, error) {
	return segment.OrNew(func() (*WaitGroup, error) { return OpenWaitGroup(seg, name) },
		func() (*WaitGroup, error) { return NewWaitGroup(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// WaitGroupFrom returns the WaitGroup that ref names. It fails with shm.ErrStale if it is not in seg.
func WaitGroupFrom(seg *shm.Segment, ref shm.Ref) (*WaitGroup, error) {
	return waitGroupOf(waitGroupShape.from(seg, ref))
}

// WaitGroupAt returns the handle of a WaitGroupState that lies in seg, as part of a struct of the user's own.
// It fails with shm.ErrStale if it does not lie there.
func WaitGroupAt(seg *shm.Segment, state *WaitGroupState) (*WaitGroup, error) {
	p, err := waitGroupShape.at(seg, state)
	return waitGroupOf(p, state, err)
}

func waitGroupOf(p place, state *WaitGroupState, err error) (*WaitGroup, error) {
	if err != nil {
		return nil, err
	}
	point := p.seg.Point(p.off+groupEvent, segment.Shared)
	return &WaitGroup{place: p, state: state,
		lock:   p.seg.LockAt(p.off + groupLock),
		point:  point,
		ledger: ledgerAt(p, point, sideBySide, &state.rows, state.settle),
	}, nil
}

// Ref names the WaitGroup. It is zero if the handle came from WaitGroupAt.
func (g *WaitGroup) Ref() shm.Ref { return g.ref() }

// settle counts what a dead process answered for as done.
func (s *WaitGroupState) settle(l *ledger, r *row) {
	if r.count.Load() > 0 {
		s.died.Store(1) // first: whoever sees no work must see this
		r.count.Store(0)
		l.point.Broadcast()
	}
}

// enter takes the lock. Whoever died with it may have had work in hand, between one row and another.
func (g *WaitGroup) enter(ctx context.Context) error {
	if g.lock.TryLock() {
		return nil
	}
	err := g.lock.LockSlow(ctx)
	if isOwnerDied(err) {
		g.state.died.Store(1)
		err = g.lock.MarkConsistent()
	}
	return err
}

// Add adds n units of work, 1 or more, for which this process answers until another one takes them. It
// never blocks. It fails with ErrCount, shm.ErrNoSpace and shm.ErrClosed.
func (g *WaitGroup) Add(n int) error {
	r, err := g.ledger.own()
	if err == nil && n <= 0 {
		err = fmt.Errorf("%d units of work: %w", n, ErrCount)
	}
	if err == nil {
		g.ledger.say()
		r.count.Add(uint64(n))
	}
	return g.wrap("add to", err)
}

// Take takes n units of work over from the processes that answer for them: from now on this one does. It
// waits for others who take at the same moment, until ctx is over. It fails with ErrCount if there are not
// that many, with shm.ErrNoSpace, shm.ErrClosed and the context's error.
func (g *WaitGroup) Take(ctx context.Context, n int) error {
	r, err := g.ledger.own()
	if err == nil {
		err = g.enter(ctx)
	}
	if err == nil {
		err = errors.Join(g.take(r, n), g.lock.Unlock())
	}
	return g.wrap("take of", err)
}

// take takes work from other rows to mine, under the lock.
func (g *WaitGroup) take(mine *row, n int) error {
	left := uint64(max(n, 0))
	for r := range g.ledger.each {
		for r != mine && left > 0 {
			some := min(left, r.count.Load())
			if some == 0 {
				break
			}
			if r.lessen(some) >= some {
				left -= some
			}
		}
	}
	g.ledger.hear()
	mine.count.Add(uint64(max(n, 0)) - left)
	if n <= 0 || left > 0 {
		return fmt.Errorf("%d units of work, %d more than others answer for: %w", n, left, ErrCount)
	}
	return nil
}

// Done says that a unit of work is done: one that this process answers for, or, if there is none, any. It
// waits for nobody but who is taking the last unit over. It fails with ErrCount if there is no work,
// and with shm.ErrClosed.
func (g *WaitGroup) Done() error {
	r, err := g.ledger.own()
	if err != nil {
		return g.wrap("finish work of", err)
	}
	g.ledger.say()
	if !g.finish(r) {
		err = g.enter(context.Background())
		if err == nil && !g.finish(r) {
			err = fmt.Errorf("there is no work: %w", ErrCount)
		}
		err = errors.Join(err, g.lock.Unlock())
	}
	if err == nil && g.ledger.none() {
		g.point.Broadcast()
	}
	return g.wrap("finish work of", err)
}

// finish takes a unit off some row, mine if it has one.
func (g *WaitGroup) finish(mine *row) bool {
	if mine.lessen(1) > 0 {
		return true
	}
	for r := range g.ledger.each {
		if r.lessen(1) > 0 {
			return true
		}
	}
	return false
}

// Count is how many units of work are not done. It is out of date as soon as it returns.
func (g *WaitGroup) Count() int { return g.ledger.number() }

// Wait blocks until there is no work, or ctx is over. If a process died with work that it answered for,
// one Wait says so with ErrOwnerDied; there is no work then, either. It also fails with shm.ErrClosed and
// the context's error.
func (g *WaitGroup) Wait(ctx context.Context) error {
	over, err := g.over(ctx)
	if !over && err == nil {
		err = g.await(ctx)
	}
	return g.wrap("wait for", err)
}

func (g *WaitGroup) await(ctx context.Context) error {
	g.ledger.sweep()
	var result error
	look := func() bool {
		g.ledger.bury()
		over, err := g.over(ctx)
		result = err
		return over || err != nil
	}
	err := g.point.Wait(ctx, segment.Wait{
		Try:   look,
		Poll:  func() bool { return g.ledger.none() && look() },
		Slept: g.ledger.sweep,
	})
	if err != nil {
		return err
	}
	return result
}

// over looks whether there is work, under the lock: without it, work that goes from one row to another
// might be in neither.
func (g *WaitGroup) over(ctx context.Context) (bool, error) {
	if !g.ledger.none() {
		return false, g.seg.Writable()
	}
	if err := g.enter(ctx); err != nil {
		return false, err
	}
	if !g.ledger.none() {
		return false, g.lock.Unlock()
	}
	g.ledger.hear()
	died := g.state.died.Swap(0) != 0
	err := g.lock.Unlock()
	if died {
		err = errors.Join(fmt.Errorf("its work was not done: %w", ErrOwnerDied), err)
	}
	return true, err
}

// WaitGroupInfo is what a WaitGroup looks like to an observer of its segment.
type WaitGroupInfo struct {
	Work   uint64 `json:"work"`   // units that are not done
	Died   bool   `json:"died"`   // a process died with work, and nobody has been told
	Waited bool   `json:"waited"` // somebody may be asleep
}

// String tells the state in words.
func (i WaitGroupInfo) String() string {
	s := fmt.Sprintf("%d undone", i.Work)
	if i.Died {
		s += ", some of a process that died"
	}
	return waited(s, i.Waited)
}
