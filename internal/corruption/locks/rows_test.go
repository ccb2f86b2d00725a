package locks_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// What has rows meets those of one who is dead, and of one who lives and does nothing.

var borrowed = corruption.Register(corruption.Scene{
	Name:    "tracked semaphore",
	Moments: 3,
	Changes: []string{corruption.Loans},
	Script: func(t *corruption.Trial) {
		t.Moment()
		s, ok := corruption.Find(t, t.Seg, sync.OpenSemaphore, corruption.Loans)
		t.Moment()
		if !ok {
			t.Moment()
			return
		}
		t.Do("value", func() (any, error) { return s.Value(), nil })
		t.Do("try 2", func() (any, error) { return s.TryAcquire(2) })
		t.Pass("acquire the dead one's", func(ctx context.Context) (any, error) { return nil, s.Acquire(ctx, 2) })
		t.Moment()
		t.Block("acquire 1 more", corruption.Loans, func(ctx context.Context) (any, error) { return nil, s.Acquire(ctx, 1) })
		t.Do("try 1", func() (any, error) { return s.TryAcquire(1) })
		t.Do("release 5", func() (any, error) { return nil, s.Release(5) })
		t.Do("release 4", func() (any, error) { return nil, s.Release(4) })
		t.Do("value at the end", func() (any, error) { return s.Value(), nil })
	},
})

func TestTrackedSemaphoreOfWhichAnyByteIsOverwritten(t *testing.T) { borrowed.Run(t, 1000) }

func TestTrackedSemaphoreUnderAHostilePeer(t *testing.T) { borrowed.Storm(t, 1000) }

var bookcase = corruption.Register(corruption.Scene{
	Name:    "rwmutex",
	Moments: 3,
	Changes: []string{corruption.Library, corruption.Annals},
	Script: func(t *corruption.Trial) {
		t.Moment()
		shared, haveShared := corruption.Find(t, t.Seg, sync.OpenRWMutex, corruption.Library)
		annals, haveAnnals := corruption.Find(t, t.Seg, sync.OpenRWMutex, corruption.Annals)
		t.Moment()
		if haveShared {
			t.Do("readers", func() (any, error) {
				n := shared.Readers()
				t.Between("the number of readers", 0, n, math.MaxInt)
				return n, nil
			})
			t.Do("try to read", func() (any, error) { return shared.TryRLock() })
			t.Do("read no more", func() (any, error) { return nil, shared.RUnlock() })
			t.Do("try to write", func() (any, error) { return shared.TryLock() })
			t.Block("write", corruption.Library, func(ctx context.Context) (any, error) { return nil, shared.Lock(ctx) })
			t.Do("writer", func() (any, error) { _, held := shared.Owner(); return held, nil })
			t.Do("write no more", func() (any, error) { return nil, shared.Unlock() })
			t.Do("write no more, but read", func() (any, error) { return nil, shared.Downgrade() })
			t.Pass("read", func(ctx context.Context) (any, error) { return nil, shared.RLock(ctx) })
		}
		t.Moment()
		if haveShared {
			t.Do("read no more at the end", func() (any, error) { return nil, shared.RUnlock() })
		}
		if haveAnnals {
			t.Pass("write annals", func(ctx context.Context) (any, error) { return nil, annals.Lock(ctx) })
			t.Do("try to read annals", func() (any, error) { return annals.TryRLock() })
			t.Block("read annals", corruption.Annals, func(ctx context.Context) (any, error) { return nil, annals.RLock(ctx) })
			t.Do("mark annals", func() (any, error) { return nil, annals.MarkConsistent() })
			t.Do("write annals no more, but read", func() (any, error) { return nil, annals.Downgrade() })
			t.Do("read annals no more", func() (any, error) { return nil, annals.RUnlock() })
			t.Do("try to write annals", func() (any, error) { return annals.TryLock() })
			t.Do("write annals no more", func() (any, error) { return nil, annals.Unlock() })
		}
	},
})

func TestRWMutexOfWhichAnyByteIsOverwritten(t *testing.T) { bookcase.Run(t, 1000) }

func TestRWMutexUnderAHostilePeer(t *testing.T) { bookcase.Storm(t, 1000) }

// caller is a context that broadcasts whenever it is looked at: a Wait does so when it can be signalled.
type caller struct {
	context.Context
	cond *sync.Cond
	err  error
}

func (c *caller) Err() error {
	c.err = errors.Join(c.err, c.cond.Broadcast())
	return c.Context.Err()
}

var porch = corruption.Register(corruption.Scene{
	Name:    "cond",
	Moments: 4,
	Changes: []string{corruption.Porch, corruption.Free},
	Script: func(t *corruption.Trial) {
		t.Moment()
		mu, haveMutex := corruption.Find(t, t.Seg, sync.OpenMutex, corruption.Free)
		c, haveCond := corruption.Find(t, t.Seg, sync.OpenCond, corruption.Porch)
		t.Moment()
		if haveCond {
			t.Do("signal the dead", func() (any, error) { return nil, c.Signal() })
		}
		if !haveCond || !haveMutex || !t.Pass("lock", func(ctx context.Context) (any, error) { return nil, mu.Lock(ctx) }) {
			t.Moment()
			t.Moment()
			return
		}
		t.Moment()
		t.Pass("wait for a broadcast", func(ctx context.Context) (any, error) {
			caller := &caller{Context: ctx, cond: c}
			err := c.Wait(caller, mu)
			return nil, errors.Join(err, caller.err)
		})
		t.Moment()
		// Signals of the dead may come yet.
		t.Block("wait in vain", corruption.Porch, func(ctx context.Context) (any, error) {
			return nil, c.WaitFor(ctx, mu, func() bool { return false })
		})
		t.Do("unlock", func() (any, error) { return nil, mu.Unlock() })
		t.Do("signal nobody", func() (any, error) { return nil, c.Signal() })
		t.Do("broadcast to nobody", func() (any, error) { return nil, c.Broadcast() })
	},
})

func TestCondOfWhichAnyByteIsOverwritten(t *testing.T) { porch.Run(t, 1000) }

func TestCondUnderAHostilePeer(t *testing.T) { porch.Storm(t, 1000) }

var shift = corruption.Register(corruption.Scene{
	Name:    "waitgroup",
	Moments: 3,
	Changes: []string{corruption.Shift},
	Script: func(t *corruption.Trial) {
		t.Moment()
		g, ok := corruption.Find(t, t.Seg, sync.OpenWaitGroup, corruption.Shift)
		t.Moment()
		if !ok {
			t.Moment()
			return
		}
		count := func(op string) {
			t.Do(op, func() (any, error) {
				n := g.Count()
				t.Between("the number of units", 0, n, math.MaxInt)
				return n, nil
			})
		}
		count("count")
		t.Do("add 2", func() (any, error) { return nil, g.Add(2) })
		t.Pass("take 1", func(ctx context.Context) (any, error) { return nil, g.Take(ctx, 1) })
		t.Do("first is done", func() (any, error) { return nil, g.Done() })
		t.Do("second is done", func() (any, error) { return nil, g.Done() })
		t.Do("third is done", func() (any, error) { return nil, g.Done() })
		t.Moment()
		t.Block("wait in vain", corruption.Shift, func(ctx context.Context) (any, error) { return nil, g.Wait(ctx) })
		count("count of who lives")
		t.Do("fourth is done", func() (any, error) { return nil, g.Done() })
		t.Pass("wait", func(ctx context.Context) (any, error) { return nil, g.Wait(ctx) })
		t.Pass("wait again", func(ctx context.Context) (any, error) { return nil, g.Wait(ctx) })
		t.Do("fifth is done", func() (any, error) { return nil, g.Done() })
		count("count at the end")
	},
})

func TestWaitGroupOfWhichAnyByteIsOverwritten(t *testing.T) { shift.Run(t, 1000) }

func TestWaitGroupUnderAHostilePeer(t *testing.T) { shift.Storm(t, 1000) }

var gates = corruption.Register(corruption.Scene{
	Name:    "barrier",
	Moments: 4,
	Changes: []string{corruption.Gate, corruption.Exit, corruption.Orphan},
	Script: func(t *corruption.Trial) {
		// The death is known from now on, as it is to whoever has waited for a moment.
		if orphan, ok := corruption.Find(t, t.Seg, sync.OpenMutex, corruption.Orphan); ok {
			t.Do("inherit", func() (any, error) { return orphan.TryLock() })
		}
		t.Moment()
		gate, haveGate := corruption.Find(t, t.Seg, sync.OpenBarrier, corruption.Gate)
		exit, haveExit := corruption.Find(t, t.Seg, sync.OpenBarrier, corruption.Exit)
		t.Moment()
		state := func(op string, b *sync.Barrier) {
			t.Do(op, func() (any, error) {
				t.Between("the number of parties", 0, b.Parties(), math.MaxInt32)
				t.Between("the number of those who wait", 0, b.Waiting(), math.MaxInt)
				return b.Broken(), nil
			})
		}
		wait := func(b *sync.Barrier) func(context.Context) (any, error) {
			return func(ctx context.Context) (any, error) {
				n, err := b.Wait(ctx)
				t.Between("the index", 0, n, math.MaxInt32)
				return n, err
			}
		}
		if haveGate {
			state("gate", gate)
			t.Pass("wait beside the dead", wait(gate))
			state("broken gate", gate)
			t.Do("abort", func() (any, error) { return nil, gate.Abort() })
			t.Pass("wait at a broken gate", wait(gate))
			t.Pass("reset", func(ctx context.Context) (any, error) { return nil, gate.Reset(ctx) })
		}
		t.Moment()
		if haveGate {
			t.Block("wait in vain", corruption.Gate, wait(gate))
			t.Pass("reset again", func(ctx context.Context) (any, error) { return nil, gate.Reset(ctx) })
			t.Do("leave", func() (any, error) { return nil, gate.Leave() })
		}
		t.Moment()
		if haveExit {
			t.Do("join", func() (any, error) { return nil, exit.Join() })
			t.Pass("wait for who has left", wait(exit))
			state("exit", exit)
			t.Pass("act alone", func(ctx context.Context) (any, error) {
				acts := 0
				_, err := exit.WaitAction(ctx, func() error { acts++; return nil })
				return acts, err
			})
			t.Pass("reset exit", func(ctx context.Context) (any, error) { return nil, exit.Reset(ctx) })
		}
	},
})

func TestBarrierOfWhichAnyByteIsOverwritten(t *testing.T) { gates.Run(t, 1000) }

func TestBarrierUnderAHostilePeer(t *testing.T) { gates.Storm(t, 1000) }

// Whoever has just come has yet to find the rows.
var newcomer = corruption.Register(corruption.Scene{
	Name:     "rows",
	Moments:  3,
	Attaches: true,
	Changes: []string{corruption.Loans, corruption.Library, corruption.Annals, corruption.Porch, corruption.Shift,
		corruption.Gate, corruption.Exit},
	Script: func(t *corruption.Trial) {
		t.Moment()
		var seg *shm.Segment
		if !t.Do("attach", func() (_ any, err error) {
			seg, err = shm.Open(corruption.Name, shm.Dir(t.Dir))
			return nil, err
		}) {
			t.Moment()
			t.Moment()
			return
		}
		t.Moment()
		loans, haveLoans := corruption.Find(t, seg, sync.OpenSemaphore, corruption.Loans)
		library, haveLibrary := corruption.Find(t, seg, sync.OpenRWMutex, corruption.Library)
		porch, havePorch := corruption.Find(t, seg, sync.OpenCond, corruption.Porch)
		shift, haveShift := corruption.Find(t, seg, sync.OpenWaitGroup, corruption.Shift)
		gate, haveGate := corruption.Find(t, seg, sync.OpenBarrier, corruption.Gate)
		exit, haveExit := corruption.Find(t, seg, sync.OpenBarrier, corruption.Exit)
		t.Moment()
		if haveLoans {
			t.Do("borrow", func() (any, error) { return loans.TryAcquire(1) })
		}
		if haveLibrary {
			t.Do("read", func() (any, error) { return library.TryRLock() })
		}
		if havePorch {
			t.Do("signal", func() (any, error) { return nil, porch.Signal() })
		}
		if haveShift {
			t.Do("work", func() (any, error) { return nil, shift.Add(1) })
		}
		if haveGate {
			t.Do("come", func() (any, error) { return nil, gate.Join() })
		}
		if haveExit {
			t.Do("leave", func() (any, error) { return nil, exit.Leave() })
		}
		t.Do("close", func() (any, error) { return nil, seg.Close() })
	},
})

func TestRowsOfWhichAnyByteIsOverwritten(t *testing.T) { newcomer.Run(t, 1000) }

func TestRowsUnderAHostilePeer(t *testing.T) { newcomer.Storm(t, 500) }
